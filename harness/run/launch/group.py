"""The ranks of a job, here and elsewhere: started together, followed to their end, all stopped as
soon as one fails, those of a group beside included; no torch here."""

import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from harness.config.plain import plain
from harness.errors import StageFailed, Terminated
from harness.run.events import Event, EventReader
from harness.run.launch.crew import Crew
from harness.run.launch.failure import Failure, cause, failure_of, forget_failures
from harness.run.launch.hang import HangWatch
from harness.run.launch.job import RankJob, job_file
from harness.run.launch.local import GRACE_SECONDS, KEEP_SECONDS, LocalRanks
from harness.store.files import write_json

POLL_SECONDS = 0.1
HEARING_SECONDS = 2.0  # for the rank that failed first to be heard of, after one that missed it


class WorkerGroup:
    """Processes that share a job file and die with the crew's; what still runs of them is ended
    when the context ends.

    variables: of the environment of this machine's ranks, besides this process's. minutes: as
    `engine.timeout_minutes`. Raises StageFailed where a member of the crew is gone already.
    """

    def __init__(
        self,
        job: RankJob,
        crew: Crew,
        variables: Mapping[str, str],
        minutes: float | None = None,
    ) -> None:
        self.folder, self.crew = Path(job.folder), crew
        self.watch = HangWatch(self.folder, crew.world, minutes)
        self.reader = EventReader(self.folder, crew.world)
        self.place: Path | None = None
        gone = next((member for member in crew.members if not member.line.open), None)
        if gone is not None:
            raise StageFailed(f"the process on {gone.host} is gone; start all of them again")
        if crew.members:
            # Made here, so that nobody else gets the port before rank 0 listens.
            with socket.create_server(("", 0)) as server:
                server.set_inheritable(True)
                job = replace(job, rendezvous=f"tcp://{crew.address}:{server.getsockname()[1]}")
                self._start(job, variables, server.fileno())
        else:
            self.place = Path(tempfile.mkdtemp(prefix="harness-"))
            self._start(replace(job, rendezvous=str(self.place / "rendezvous")), variables, None)

    def _start(self, job: RankJob, variables: Mapping[str, str], listener: int | None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        forget_failures(self.folder)
        write_json(job_file(self.folder), plain(job))
        self.local = LocalRanks(job, self.crew.seats, self.crew.world, variables, listener)
        for member in self.crew.members:
            member.start(self.folder, self.crew.world)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def ended(self) -> bool:
        """Does none of its ranks run any more?"""
        return None not in self._codes()

    def failure(self) -> Failure | None:
        """Why it fails, as soon as one rank does, or all have hung. Where only ranks that missed
        another one are known to have failed, that one is waited for."""
        failures = self._failures()
        deadline = time.monotonic() + HEARING_SECONDS
        while failures and all(one.of_a_peer for one in failures) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            failures = self._failures()
        return cause(failures) if failures else self.watch.failure()

    def _codes(self) -> list[int | None]:
        for member in self.crew.members:
            member.hear()
        theirs = [code for member in self.crew.members for code in member.codes.values()]
        return [*self.local.codes().values(), *theirs]

    def _failures(self) -> list[Failure]:
        self._codes()
        ended = {rank: code for rank, code in self.local.codes().items() if code}
        found = [self.local.failure(rank, code) for rank, code in ended.items()]
        return [*found, *(f for member in self.crew.members for f in member.failures.values())]

    def silent(self) -> Failure:
        """What to say where no rank failed and yet work is missing."""
        return failure_of(self.folder, 0, 1)

    def ask_to_leave(self) -> None:
        """Have ranks keep what they train, here and elsewhere, and end."""
        for member in self.crew.members:
            member.leave()
        self.local.ask_to_leave()

    def stop(self) -> None:
        """End what still runs, here and elsewhere."""
        for member in self.crew.members:
            member.stop()
        self.local.stop()
        deadline = time.monotonic() + 2 * GRACE_SECONDS
        for member in self.crew.members:
            while None in member.codes.values() and time.monotonic() < deadline:
                member.hear(POLL_SECONDS)
        if self.place is not None:
            (self.place / "rendezvous").unlink(missing_ok=True)
            self.place.rmdir()


def follow_to_end(
    groups: Sequence[WorkerGroup],
    follow: Callable[[Event], None],
    complete: Callable[[WorkerGroup], bool] = lambda group: False,
    watch: Callable[[], None] = lambda: None,
) -> tuple[WorkerGroup, Failure] | None:
    """Follow groups that run side by side, passing every event on. Returns which one failed and
    why, as soon as one does, or None. complete: is there all that a group was to make? One that
    has ended without has failed, as others may wait for it; a rank that dies behind it has failed
    nothing. Where another group fails, or this process has to go, a stage that is trained is kept
    as it is; so it is where watch, which is called all the time, raises StageFailed."""
    left = list(groups)
    try:
        broken = _followed(groups, follow, complete, watch)
        if broken:
            left.remove(broken[0])
            _leave(left)
        return broken
    except (StageFailed, Terminated, KeyboardInterrupt, SystemExit):  # the last: a batch system's
        _leave(left)
        raise


def _followed(
    groups: Sequence[WorkerGroup],
    follow: Callable[[Event], None],
    complete: Callable[[WorkerGroup], bool],
    watch: Callable[[], None],
) -> tuple[WorkerGroup, Failure] | None:
    running = list(groups)
    while running:
        time.sleep(POLL_SECONDS)
        watch()
        ended = [group for group in running if group.ended()]
        failed = {group: why for group in running if (why := group.failure())}
        for group in groups:
            for event in group.reader.new():
                follow(event)
        for group, why in failed.items():
            if not complete(group):
                return group, why
        running = [group for group in running if group not in ended and group not in failed]
        for group in ended if running else ():
            if not complete(group):
                return group, group.silent()
    return None


def _leave(groups: Sequence[WorkerGroup]) -> None:
    """All at once, and they have as long as a stage may take to be kept."""
    for group in groups:
        group.ask_to_leave()
    deadline = time.monotonic() + KEEP_SECONDS
    while not all(group.ended() for group in groups) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
