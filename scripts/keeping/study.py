"""One job after the other, and the rows of each that completes added to a file that is kept.

A job that has rows there is done, whatever became of the store in which it ran. Ctrl-C and SIGTERM
end the job that runs, and the next call goes on with it.
"""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.cli.entry import run_command
from harness.config.places import parse
from harness.errors import DataError, StageFailed, refuse
from harness.results.columns import TableRow
from harness.results.runs import load_runs
from harness.results.schema import Scores, read_scores, write_scores
from harness.store.layout import TABLE
from harness.store.scores import DONE
from keeping.jobs import Job

OWN = ("experiment", "method", "seed", "store.results")  # which no override may change


@dataclass(frozen=True)
class Study:
    """script: what a user starts. folder: where rows and tables are kept; what one store holds is
    in its `store_only`, which the experiment names as store.results. words: a job's command line,
    given the user's overrides. run_of: the key that a job's run has today, where rows of another
    are to be made again."""

    script: str
    experiment: str
    folder: Path
    jobs: tuple[Job, ...]
    words: Callable[[Job, list[str]], list[str]]
    run_of: Callable[[list[str]], str] | None = None

    @property
    def table(self) -> Path:
        """The rows that are kept."""
        return self.folder / TABLE

    @property
    def of_store(self) -> Path:
        """What the harness writes of one store."""
        return self.folder / "store_only"

    def main(self, overrides: list[str]) -> int:
        """Do what has no rows yet; returns 0, or raises for the first job that fails.

        Raises ConfigError for overrides of what the jobs decide.
        """
        refuse(
            f"{word}: {self.script} decides {key} itself; leave it out, or run `python -m "
            f"harness experiment={self.experiment}` with it"
            for word, key in zip(overrides, map(key_of, overrides), strict=True)
            if key in OWN
        )
        for number, job in enumerate(self.jobs, start=1):
            told = f"[{number}/{len(self.jobs)}] {job.method} seed={job.seed}"
            words = self.words(job, overrides)
            if self._is_kept(job, words):
                print(f"{told}: its rows are in {self.table}", flush=True)
                continue
            print(told, flush=True)
            run_harness(*words)
            self.add(job)
            self._write_tables()
        if self._tables_are_old():
            self._write_tables()
        return 0

    def add(self, job: Job) -> None:
        """Put the rows of a job that has completed among those that are kept, in place of its
        earlier ones.

        Raises DataError where the store holds no complete run of it, or several.
        """
        table = self.of_store / TABLE
        of_job = Scores(tuple(row for row in rows_of(table) if job.is_of(row, self.experiment)))
        runs = [of_job.of_run(name) for name in dict.fromkeys(row["run"] for row in of_job.rows)]
        whole = [run for run in runs if _is_complete(run)]
        about = f"{table}: method {job.method}, seed {job.seed}"
        if not whole:
            raise DataError(
                f"{about}: no complete run; `python -m harness tables --scores {table}` says what "
                "lacks"
            )
        if len(whole) > 1:
            names = ", ".join(run.rows[0]["run"] for run in whole)
            raise DataError(
                f"{about}: {len(whole)} complete runs ({names}), and one is wanted; give these "
                "overrides a store of their own (store.root=<new folder>)"
            )
        others = [row for row in rows_of(self.table) if not job.is_of(row, self.experiment)]
        write_scores([*others, *whole[0].rows], self.table)

    def _is_kept(self, job: Job, words: list[str]) -> bool:
        kept = {row["run"] for row in rows_of(self.table) if job.is_of(row, self.experiment)}
        return bool(kept) and (self.run_of is None or self.run_of(words) in kept)

    def _write_tables(self) -> None:
        run_harness("tables", "--scores", str(self.table), "--out", str(self.folder))

    def _tables_are_old(self) -> bool:
        main_table = self.folder / "tables" / "main.md"
        return not main_table.is_file() or main_table.stat().st_mtime < self.table.stat().st_mtime


def key_of(word: str) -> str:
    """The key that an override sets."""
    return parse([word])[0].key_or_group


def rows_of(table: Path) -> list[TableRow]:
    """The rows of a table, none where there is none."""
    return list(read_scores(table).rows) if table.is_file() else []


def run_harness(*words: str) -> None:
    """Run a command of the harness; whatever ends this process ends it first, in good order.

    In a process group of its own: Ctrl-C would reach it twice, and the second time break off its
    ending. Raises StageFailed where it fails.
    """
    command = [sys.executable, "-m", "harness", *words]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    try:
        code = child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise
    if code != 0:
        raise StageFailed(f"harness {' '.join(words)}: exit code {code}")


def _is_complete(run: Scores) -> bool:
    """Is every score there that the run promises?"""
    found = load_runs(run)
    done = all(row["status"] == DONE for row in run.rows)
    return bool(found) and done and not any(part.missing() for part in found)


def as_command(main: Callable[[list[str]], int]) -> None:
    """The script's process: errors in one line, and it ends as its job does."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # as is a terminal that is closed
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    run_command(main, sys.argv[1:])
