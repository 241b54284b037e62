"""Every method on the embedded sequence over three seeds, resumable over days and machines.

`python scripts/methods_demo.py [overrides]` runs the methods that experiment=methods_demo sweeps
over, at seed 0 all of them, then at 1 and 2; the rows of a run that completes are added to
results/methods/scores.csv (see keeping/study.py). A method whose definition has changed since, so
that its run has another key, is run again; one machine's store shares stages between methods.
"""

from dataclasses import replace
from pathlib import Path

from keeping.jobs import Job
from keeping.study import Study, as_command

from harness.config.compose.sweep import expand
from harness.run.job import make_jobs

EXPERIMENT = "methods_demo"
SEEDS = (0, 1, 2)
# Nothing of these is drawn from the seed: a second one would be the first once more.
UNSEEDED = ("icl", "icl_trace")
# What reads attention maps needs a model that gives them; the others train on faster ones.
EAGER = ("model.attention=eager",)
WITH_MAPS = ("seekr", "seekr_script")


def methods() -> list[str]:
    """The methods of the experiment, a stack as its ingredients divided by +."""
    swept = expand([f"experiment={EXPERIMENT}"], multirun=True)
    chosen = [word for words in swept for word in words if word.startswith("method=")]
    named = [word.removeprefix("method=").strip("[]") for word in chosen]
    return [name.replace(" ", "").replace(",", "+") for name in named]


def jobs() -> tuple[Job, ...]:
    """Every method at every seed, seed by seed."""
    every = [Job(name) for name in methods()] + [Job(name, words=EAGER) for name in WITH_MAPS]
    return tuple(
        replace(job, seed=seed)
        for seed in SEEDS
        for job in every
        if seed == 0 or job.method not in UNSEEDED
    )


def words(job: Job, overrides: list[str]) -> list[str]:
    """A job's command line."""
    return [f"experiment={EXPERIMENT}", *job.overrides(), f"seed={job.seed}", *overrides]


def run_of(command: list[str]) -> str:
    """The key of the run of a command line."""
    return make_jobs([command])[0].plan.run["run"]


def main(overrides: list[str]) -> int:
    """Do what has no rows yet, or has rows of another run."""
    folder = Path("results/methods")
    return Study("scripts/methods_demo.py", EXPERIMENT, folder, jobs(), words, run_of).main(
        overrides
    )


if __name__ == "__main__":
    as_command(main)
