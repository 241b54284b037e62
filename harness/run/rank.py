"""One rank: runs the work of a job file and dies with its parent.

`python -m harness.run.rank <job file>` with RANK, WORLD_SIZE and LOCAL_RANK in the environment; it
needs nothing but the job file, the store and the data that the job names. HARNESS_PARENT is the
number of the process with which it ends, if there is one.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from harness.config import HarnessConfig, from_plain
from harness.config.allowed import allow
from harness.config.devices import device_name
from harness.config.plain import typed
from harness.run.advice import precision_notice
from harness.run.events import EventLog, Progress, event_path
from harness.run.handlers import HANDLERS, grouped
from harness.run.launch.failure import note_failure
from harness.run.launch.forked import PARENT
from harness.run.launch.job import RankJob
from harness.run.lenient import Lenient
from harness.run.steps import StepLog
from harness.run.versions import versions
from harness.store.claims import Claims
from harness.store.kept import Kept
from harness.store.listener import Listener
from harness.store.pulse import beat, pulse_file, show_life
from harness.store.store import Store
from harness.store.work import Work, work_of
from harness.train.leaving import LEAVE

PR_SET_PDEATHSIG = 1
GROUP_MINUTES = 240.0  # of a collective; the parent sees much earlier that ranks have hung
AWAIT_SECONDS = 0.2  # between two looks for what another group makes


def main(argv: list[str]) -> NoReturn:
    """Run a job as one rank; the exit code is 0 when all of it was written."""
    if PARENT in os.environ:
        die_with_parent(int(os.environ[PARENT]))
    signal.signal(LEAVE, signal.SIG_DFL)  # which a batch script may have had ignored
    sys.stdout, sys.stderr = Lenient(sys.stdout), Lenient(sys.stderr)
    job = typed(RankJob, json.loads(Path(argv[0]).read_text()))
    index = int(os.environ["RANK"])
    try:
        Worker(job, index, int(os.environ["WORLD_SIZE"])).run()
    except BaseException as error:
        end_at_once(Path(job.folder), index, error)


def end_at_once(folder: Path, index: int, error: BaseException) -> NoReturn:
    """Leave word of an error and end, without taking anything down: that may wait for ranks which
    wait for this one."""
    code = note_failure(folder, index, error)
    traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies, and watch the parent as well
    (the kernel's signal follows the thread that started us, which may be another one)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Worker:
    """The rank's state while it walks the job's work in order: the site of the handlers."""

    def __init__(self, job: RankJob, index: int, world: int) -> None:
        self.job = job
        self.config: HarnessConfig = from_plain(job.config)
        allow(self.config.code.allow)  # as the command line of its parent does
        self.store = Store(job.store)
        self.events = EventLog(event_path(Path(job.folder), index))
        self.steps = StepLog(Path(job.folder))
        self.index, self.world = index, world
        self.halvings = job.halvings

    def run(self) -> NoReturn:
        """Start the rank, do all work, leave."""
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from harness.models.memory import release_memory
        from harness.train.engine.ranks import leave, start

        job, engine = self.job, self.config.engine
        self.rank = start(
            self.index,
            self.world,
            job.device,
            job.rendezvous,
            engine.timeout_minutes or GROUP_MINUTES,
            job.threads,
            engine.deterministic,
            engine.tf32,
        )
        show_life(pulse_file(Path(job.folder), self.index))
        every = [work_of(described) for described in job.works]
        self._advise(every)
        for works in grouped(every):
            self._await(works)
            HANDLERS[type(works[0])].run(works, self)
            release_memory()
        leave(self.rank)

    def _await(self, works: Sequence[Work]) -> None:
        """Wait for what these read and a group beside this one makes. Should it fail, the parent
        ends this one."""
        beside = {(kind, key) for kind, key in self.job.awaited}
        for name in beside & {need for work in works for need in work.needs()}:
            while not self.store.whole(*name):
                beat()
                time.sleep(AWAIT_SECONDS)

    def _advise(self, works: Sequence[Work]) -> None:
        """Once, before the first of the works, and by the first rank for all; of two groups by the
        one that waits for nothing."""
        if not self.rank.first or self.job.awaited:
            return
        notice = precision_notice(self.config, self.job.device, works)
        if notice is not None:
            self.hearing(works[0]).tell(notice)

    @contextmanager
    def writing(self, work: Work) -> Iterator[tuple[Path, Listener]]:
        """The folder of a piece of work, which is in the store afterwards, and its listener."""
        progress = Progress(self.events, work.key, self.steps)
        about = {
            **work.to_json(),
            "identity": work.content(),
            "config": self.job.config,
            "ranks": self.world,
            "device": self.job.device,
            "machine": device_name(self.job.device),
            "threads": self.job.threads,
            "versions": versions(),
        }
        with self.store.writing(work.kind, work.key, about, self.job.lease) as folder:
            yield folder, progress
        progress.finish()

    def kept(self, work: Work) -> Kept:
        """What is kept of a piece of work while it runs."""
        return self.store.kept(work.kind, work.key, self.job.lease)

    def hearing(self, work: Work) -> Listener:
        """Who hears how far a piece of work is that another rank writes."""
        return Progress(self.events, work.key)

    def claims(self, works: Sequence[Work]) -> Claims:
        """What the ranks of this launch claim of some works, each under its own number."""
        folder = self.store.claims_path(works[0].key, self.job.lease)
        return Claims(folder, f"rank{self.index}")

    def reading(self, work: Work) -> Path:
        """The folder in which the first rank writes a piece of work."""
        return self.store.working_path(work.kind, work.key, self.job.lease)


if __name__ == "__main__":
    main(sys.argv[1:])
