"""Every method with a real model, one after the other, over days and machines.

`python scripts/real_model.py [overrides]` runs the jobs below (experiment=trace500_smollm2), the
overrides with each. A job that has rows in results/smollm2/scores.csv is done, whatever became of
the store in which it ran; the rows of one that completes are added to that file, and the tables
beside it written anew.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.cli.entry import run_command
from harness.errors import DataError, StageFailed
from harness.results.columns import TableRow
from harness.results.schema import read_scores, write_scores
from harness.store.layout import TABLE

EXPERIMENT = "trace500_smollm2"
FOLDER = Path("results/smollm2")
OF_STORE = FOLDER / "store_only"  # tables of what one store holds; not committed


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


# Six solved rows in a prompt of a thousand tokens; joint training takes the steps of eight tasks.
ICL = ("method.prompting.max_prompt_tokens=1024",)
JOINT = ("train.max_steps=96",)
BASELINES = (("icl", ICL), ("seqft", ()), ("lora_seqft", ()), ("replay", ()))
JOBS = (
    *(Job(method, words=words) for method, words in BASELINES),
    *(Job(method) for method in ("sfa", "ewc", "hft", "migu", "seqft+wise_ft", "seqft+lines")),
    Job("single"),
    Job("joint", words=JOINT),
    *(Job(method, 1, words) for method, words in BASELINES),
    *(Job(method) for method in ("ties", "task_arithmetic")),
)


def main(overrides: list[str]) -> int:
    """Do what has no rows yet; returns 0, or raises for the first job that fails."""
    for number, job in enumerate(JOBS, start=1):
        told = f"[{number}/{len(JOBS)}] {job.method} seed={job.seed}"
        if any(job.is_of(row) for row in _rows(FOLDER / TABLE)):
            print(f"{told}: its rows are in {FOLDER / TABLE}", flush=True)
            continue
        print(told, flush=True)
        _harness(f"experiment={EXPERIMENT}", *job.overrides(), *_own(job), *overrides)
        _add(job)
        _harness("tables", "--scores", str(FOLDER / TABLE), "--out", str(FOLDER))
    return 0


def _own(job: Job) -> list[str]:
    return [f"seed={job.seed}", f"store.results={OF_STORE}"]


def _harness(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "harness", *words], check=False)
    if done.returncode != 0:
        raise StageFailed(f"harness {' '.join(words)}: exit code {done.returncode}")


def _add(job: Job) -> None:
    """Put the rows of a job that has completed among those that are kept."""
    new = [row for row in _rows(OF_STORE / TABLE) if job.is_of(row)]
    if not new:
        raise DataError(f"{OF_STORE / TABLE}: no rows of {job.method}, seed {job.seed}")
    write_scores([*_rows(FOLDER / TABLE), *new], FOLDER / TABLE)


def _rows(table: Path) -> list[TableRow]:
    return list(read_scores(table).rows) if table.is_file() else []


if __name__ == "__main__":
    run_command(main, sys.argv[1:])
