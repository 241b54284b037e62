"""The ranks of one job, here and elsewhere: started together, followed to their end, all stopped
as soon as one fails; no torch here."""

import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.config.plain import plain
from harness.errors import StageFailed, Terminated
from harness.run.events import Event, EventReader
from harness.run.launch.crew import Crew
from harness.run.launch.failure import Failure, cause, failure_of, forget_failures
from harness.run.launch.job import RankJob, job_file
from harness.run.launch.local import GRACE_SECONDS, LocalRanks
from harness.store.files import write_json

POLL_SECONDS = 0.1
HEARING_SECONDS = 2.0  # for the rank that failed first to be heard of, after one that missed it


class WorkerGroup:
    """Processes that share a job file and die with the crew's.

    variables: of the environment of this machine's ranks, besides this process's. Raises
    StageFailed where a member of the crew is gone already.
    """

    def __init__(self, job: RankJob, crew: Crew, variables: Mapping[str, str]) -> None:
        self.folder, self.crew = Path(job.folder), crew
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

    def wait(self, follow: Callable[[Event], None]) -> Failure | None:
        """Follow the group to its end, passing every event on. Returns why it failed, or None; the
        others are stopped as soon as one rank fails. Where this process has to go, a stage that is
        trained is kept as it is."""
        failures = list[Failure]()
        try:
            while not failures and None in self._codes():
                time.sleep(POLL_SECONDS)
                for event in self.reader.new():
                    follow(event)
                failures = self._failures()
            for event in self.reader.new():
                follow(event)
            if failures:
                failures = self._heard_out(failures)
        except Terminated:
            self.leave()
            raise
        finally:
            self.stop()
        return cause(failures) if failures else None

    def _heard_out(self, failures: list[Failure]) -> list[Failure]:
        """Where only ranks that missed another one are known to have failed, wait for that one."""
        deadline = time.monotonic() + HEARING_SECONDS
        while all(failure.of_a_peer for failure in failures) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            failures = self._failures()
        return failures

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

    def leave(self) -> None:
        """Have ranks keep what they train, here and elsewhere, and end."""
        for member in self.crew.members:
            member.leave()
        self.local.leave()

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
