"""Every method with a real model, one after the other, over days and machines.

`python scripts/real_model.py [overrides]` runs the jobs below (experiment=trace500_smollm2), the
overrides with each. A job that has rows in results/smollm2/scores.csv is done, whatever became of
the store in which it ran; the rows of one that completes are added to that file, and the tables
beside it written anew. Ctrl-C and SIGTERM end the job that runs, and the next call goes on with it.
"""

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.cli.entry import run_command
from harness.config.compose.compose import compose_job
from harness.config.places import parse
from harness.errors import DataError, StageFailed, refuse
from harness.results.columns import TableRow
from harness.results.runs import load_runs
from harness.results.schema import Scores, read_scores, write_scores
from harness.store.layout import TABLE
from harness.store.scores import DONE

EXPERIMENT = "trace500_smollm2"
FOLDER = Path("results/smollm2")
OF_STORE = FOLDER / "store_only"  # store.results of the experiment: what one store holds
OWN = ("experiment", "method", "seed", "store.results")  # which no override may change
STEPS = "train.max_steps"


@dataclass(frozen=True)
class Job:
    """A method in the tables, its seed, and what it is beside the experiment's settings."""

    method: str
    seed: int = 0
    words: tuple[str, ...] = ()

    def overrides(self) -> list[str]:
        """What it is run with."""
        stack = self.method.replace("+", ",")
        return [f"method=[{stack}]" if "+" in self.method else f"method={stack}", *self.words]

    def is_of(self, row: TableRow) -> bool:
        """Is it a row of this job's?"""
        return (row["experiment"], row["method"], row["seed"]) == (
            EXPERIMENT,
            self.method,
            self.seed,
        )


# Six solved rows in a prompt of a thousand tokens. A second seed of icl would be the first once
# more: what it draws hangs on method.prompting.seed, which makes a method of its own in the tables.
ICL = ("method.prompting.max_prompt_tokens=1024",)
BASELINES = ("seqft", "lora_seqft", "replay")
JOBS = (
    Job("icl", words=ICL),
    *(Job(method) for method in BASELINES),
    *(Job(method) for method in ("sfa", "ewc", "hft", "migu", "seqft+wise_ft", "seqft+lines")),
    Job("single"),
    Job("joint"),
    *(Job(method, 1) for method in BASELINES),
    *(Job(method) for method in ("ties", "task_arithmetic")),
)


def main(overrides: list[str]) -> int:
    """Do what has no rows yet; returns 0, or raises for the first job that fails.

    Raises ConfigError for overrides of what the jobs decide.
    """
    refuse(
        f"{word}: scripts/real_model.py decides {key} itself; leave it out, or run `python -m "
        f"harness experiment={EXPERIMENT}` with it"
        for word, key in zip(overrides, map(_key, overrides), strict=True)
        if key in OWN
    )
    for number, job in enumerate(JOBS, start=1):
        told = f"[{number}/{len(JOBS)}] {job.method} seed={job.seed}"
        if any(job.is_of(row) for row in _rows(FOLDER / TABLE)):
            print(f"{told}: its rows are in {FOLDER / TABLE}", flush=True)
            continue
        print(told, flush=True)
        _harness(*_words(job, overrides))
        _add(job)
        _write_tables()
    if _tables_are_old():
        _write_tables()
    return 0


def _key(word: str) -> str:
    return parse([word])[0].key_or_group


def _words(job: Job, overrides: list[str]) -> list[str]:
    """A job's command line; joint training takes the steps of all tasks."""
    words = [f"experiment={EXPERIMENT}", *job.overrides(), f"seed={job.seed}"]
    if job.method != "joint":
        return [*words, *overrides]
    config = compose_job([f"experiment={EXPERIMENT}", *overrides])
    if config.train.max_steps is None:
        return [*words, *overrides]
    others = [word for word in overrides if _key(word) != STEPS]
    return [*words, *others, f"{STEPS}={config.train.max_steps * len(config.task)}"]


def _harness(*words: str) -> None:
    """Run a command of the harness; whatever ends this process ends it first, in good order.

    In a process group of its own: Ctrl-C would reach it twice, and the second time break off its
    ending.
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


def _add(job: Job) -> None:
    """Put the rows of a job that has completed among those that are kept.

    Raises DataError where the store holds no complete run of it, or several.
    """
    table = OF_STORE / TABLE
    of_job = Scores(tuple(row for row in _rows(table) if job.is_of(row)))
    runs = [of_job.of_run(name) for name in dict.fromkeys(row["run"] for row in of_job.rows)]
    whole = [run for run in runs if _is_complete(run)]
    about = f"{table}: method {job.method}, seed {job.seed}"
    if not whole:
        raise DataError(
            f"{about}: no complete run; `python -m harness tables --scores {table}` says what lacks"
        )
    if len(whole) > 1:
        names = ", ".join(run.rows[0]["run"] for run in whole)
        raise DataError(
            f"{about}: {len(whole)} complete runs ({names}), and one is wanted; give these "
            "overrides a store of their own (store.root=<new folder>)"
        )
    write_scores([*_rows(FOLDER / TABLE), *whole[0].rows], FOLDER / TABLE)


def _is_complete(run: Scores) -> bool:
    """Is every score there that the run promises?"""
    found = load_runs(run)
    done = all(row["status"] == DONE for row in run.rows)
    return bool(found) and done and not any(part.missing() for part in found)


def _write_tables() -> None:
    _harness("tables", "--scores", str(FOLDER / TABLE), "--out", str(FOLDER))


def _tables_are_old() -> bool:
    main_table, scores = FOLDER / "tables" / "main.md", FOLDER / TABLE
    return not main_table.is_file() or main_table.stat().st_mtime < scores.stat().st_mtime


def _rows(table: Path) -> list[TableRow]:
    return list(read_scores(table).rows) if table.is_file() else []


if __name__ == "__main__":
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # as is a terminal that is closed
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    run_command(main, sys.argv[1:])
