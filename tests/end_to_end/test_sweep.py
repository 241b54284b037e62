"""Sweeps: a failing job leaves the others running; the same command does exactly the rest."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import Done, harness, in_a_process

from harness.results.schema import read_scores

pytestmark = pytest.mark.distributed


def sweep(
    tiny_run: list[str], *more: str, command: Callable[..., Done] = harness
) -> tuple[int, str, str]:
    done = command("-m", *tiny_run, "eval.past=ends", "eval.limit=2", *more)
    return done.returncode, done.stdout, done.stderr


def test_a_failing_job_leaves_the_others_running(tiny_run: list[str], tmp_path: Path) -> None:
    rates = "train.learning_rate=1e-3,1e30"
    code, printed, errors = sweep(tiny_run, rates, "train.clip=0", "method=seqft,icl")
    assert code == 1
    assert "error: stage 1, train copy: diverged: the loss of copy is nan at step 2; " in errors
    assert "Traceback" not in errors
    assert "3 of 4 jobs complete" in printed
    assert "nodes missing, first: train copy" in printed
    assert read_scores(tmp_path / "results" / "scores.csv").frame()["run"].nunique() == 3


def test_the_same_command_does_the_rest(tiny_run: list[str]) -> None:
    code, printed, _ = sweep(tiny_run, "seed=0")
    assert code == 0
    code, printed, errors = sweep(tiny_run, "seed=0,1")
    assert code == 0
    begun = [line for line in errors.splitlines() if line.startswith("job ")]
    assert [line.split(" · ")[:2] for line in begun] == [
        ["job 1/2", "seed=0"],
        ["job 2/2", "seed=1"],
    ]
    assert [line.split(",")[0] for line in printed.splitlines() if line.startswith("trained")] == [
        "trained 0 stages",
        "trained 2 stages",
    ]
    assert "2 of 2 jobs complete" in printed
    together = printed.partition("all 2 runs of this sweep:")[2]
    assert [line.split()[0] for line in together.splitlines() if "seqft" in line]
    assert "±" in together


def test_jobs_side_by_side(tiny_run: list[str], tmp_path: Path) -> None:
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "engine.threads=1"]
    methods = "method=seqft,replay,lora_seqft"
    code, printed, errors = sweep(tiny_run, methods, *launcher, command=in_a_process)
    assert code == 0, errors
    assert "3 of 3 jobs complete" in printed
    assert "job 3/3 · " in errors
    frame = read_scores(tmp_path / "results" / "scores.csv").frame()
    assert frame["run"].nunique() == 3
    first = frame[(frame["stage"] == 0) & frame["headline"]]
    assert first.groupby("benchmark")["eval_key"].nunique().max() == 1
