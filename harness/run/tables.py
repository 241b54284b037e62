"""The tables of scores of a command: rebuilt at its end, and before as long as that costs little.

A rebuild reads every run of a store. One after each job of a sweep would make the sweep quadratic,
so what a process spends on them while it works stays a small share of its time.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.config import StoreConfig
from harness.errors import DataError
from harness.results.build import rebuild_table
from harness.results.records import record_paths
from harness.run.disk import told_if_full
from harness.run.job import Job
from harness.store.layout import TABLE
from harness.store.store import Store

SHARE = 0.05  # of the time since the rebuild before
RUN_SECONDS = 0.03  # that a run of 75 cells takes in a rebuild; until one was timed here


@dataclass
class _Table:
    """One table. before: when its last rebuild was over, or when the command began (a time of day,
    since a launcher's job may ask on another machine); seconds: what that took, None where this
    process has not done it. stale: was work done since?"""

    store: Store
    before: float
    seconds: float | None = None
    stale: bool = True
    left_out: list[str] = field(default_factory=list)

    @property
    def due(self) -> bool:
        """Is a rebuild a small share of the time since the last one?"""
        seconds = self.seconds
        if seconds is None:
            seconds = RUN_SECONDS * sum(1 for _ in record_paths(self.store))
        return seconds <= SHARE * (time.time() - self.before)

    def rebuild(self, path: Path) -> None:
        started = time.time()
        self.left_out = rebuild_table(self.store, path).left_out
        self.before = time.time()
        self.seconds, self.stale = self.before - started, False


class Tables:
    """The tables of some jobs. told: what they lack, as far as the outcome of a job says it."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.told = set[str]()
        self._tables = {_place(job): _Table(job.store, time.time()) for job in jobs}

    @property
    def left_out(self) -> list[str]:
        """What else the tables lacked when they were last rebuilt, a line per node."""
        lines = (line for table in self._tables.values() for line in table.left_out)
        return [line for line in dict.fromkeys(lines) if line not in self.told]

    def note(self, job: Job) -> None:
        """Work of a job is in its store; its table is rebuilt now, or by `finish`."""
        table = self._tables.setdefault(_place(job), _Table(job.store, time.time()))
        table.stale = True
        if table.due:
            with suppress(DataError):  # of a full disk, say, which `finish` tells
                table.rebuild(table_path(job))

    def finish(self) -> None:
        """Rebuild those that may lack something: other processes may have done jobs of which none
        was noted here."""
        for (_, path), table in self._tables.items():
            if table.stale:
                with told_if_full(table.store, StoreConfig.forget_days):
                    table.rebuild(path)


@contextmanager
def current_tables(jobs: Sequence[Job]) -> Iterator[Tables]:
    """The tables of these jobs, which are whole when this is left, however that is."""
    tables = Tables(jobs)
    try:
        yield tables
    finally:
        tables.finish()


def table_path(job: Job) -> Path:
    """Where the table of a job's store is."""
    return Path(job.config.store.results) / TABLE


def _place(job: Job) -> tuple[Path, Path]:
    return job.store.root, table_path(job)
