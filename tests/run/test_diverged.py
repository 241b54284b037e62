"""A stage whose loss is no number, or above a bound: told, remembered, and not trained in vain."""

import json
from pathlib import Path

import pytest
from support.command import harness, refused
from support.stored import known, planned, write

from harness.config.compose.compose import load
from harness.errors import Diverged
from harness.results.runs import load_runs
from harness.results.schema import read_scores
from harness.run.diverged import barred
from harness.run.job import Job
from harness.run.parent import Outcome, execute
from harness.store.broken import Broken, all_broken, note_broken
from harness.store.status import Status
from harness.store.work import TrainWork


def diverge(job: Job, stage: int, loss: float = float("nan")) -> TrainWork:
    """As if a stage had diverged."""
    work = job.plan.of(TrainWork)[stage - 1]
    line = f"the loss of {work.task} is {loss:g} at step 17"
    run = job.plan.run["run"]
    about = Broken(Status.diverged, stage, work.label, run, line, 1e9, 17, loss)
    note_broken(job.store, ("train", work.key), about)
    return work


def test_what_reads_a_stage_that_diverged_is_not_to_be_done(tiny_run: list[str]) -> None:
    job = planned(tiny_run)
    assert barred(job.config, job.store, job.plan.nodes) == {}
    work = diverge(job, 2)
    found = barred(job.config, job.store, job.plan.nodes)
    assert set(found) == {node.key for node in job.plan.nodes if node.stage == 2}
    assert {stage.key for stage in found.values()} == {work.key}


@pytest.mark.parametrize(
    ("loss", "bound", "is_barred"),
    [(12.5, "12.4", True), (12.5, "12.5", False), (12.5, "null", False), (float("inf"), "9", True)],
)
def test_a_loss_that_the_bound_allows_now_is_no_reason(
    loss: float, bound: str, is_barred: bool, tiny_run: list[str]
) -> None:
    job = planned(tiny_run, f"train.loss_bound={bound}")
    diverge(job, 1, loss)
    assert bool(barred(job.config, job.store, job.plan.nodes)) == is_barred


def test_status_tables_and_forget_tell_it(tiny_run: list[str]) -> None:
    job = known(planned(tiny_run))
    store, run, place = job.store, job.plan.run["run"], f"--store={job.store.root}"
    write(job)
    for node in job.plan.nodes:  # as far as the first stage
        if node.stage == 2:
            with store.locks([(node.kind, node.key)]) as held:
                store.remove(node.kind, node.key, held.token)
    work = diverge(job, 2)
    told = harness("status", place).stdout.splitlines()
    assert told[1].split()[4] == "diverged"
    assert told[2] == f"{run} diverged: stage 2, train count: diverged at step 17 (loss nan)"

    assert refused("store", "forget", place, "--diverged", "zz").startswith(
        f"error: --diverged zz: no stage of {store.root} that diverged is called so; known: "
    )
    told = harness("store", "forget", place, "--diverged", work.key[:8]).stdout
    assert told.startswith(f"{work.key}: forgotten that stage 2, train count: diverged at step 17")
    assert all_broken(store) == {}
    assert harness("status", place).stdout.splitlines()[1].split()[4] == "interrupted"


def logs(folder: Path) -> int:
    return len(list((folder / "store" / "logs").glob("*-*-*")))


def run(words: list[str], *more: str) -> Outcome:
    return execute(load([*words, *more]))


@pytest.mark.distributed
def test_a_stage_that_diverged_is_not_trained_again(tiny_run: list[str], tmp_path: Path) -> None:
    """Stage 0 is scored, the rest is told; what was not known before is done all the same."""
    wild = ["train.learning_rate=1e30", "train.clip=0", "eval.limit=2"]
    with pytest.raises(Diverged, match="diverged: the loss of copy is nan at step 2; lower"):
        run(tiny_run, *wild, "eval.stage0=false")
    assert logs(tmp_path) == 1
    [((_, key), told)] = all_broken(planned(tiny_run).store).items()
    assert (told.status, told.stage, told.step) == (Status.diverged, 1, 2)

    done = harness("run", *tiny_run, *wild)  # with stage 0, which nobody has scored
    assert done.returncode == 1
    assert done.stderr.count("stage 1, train copy: diverged: the loss of copy is nan") == 2
    assert f"`python -m harness store forget --diverged {key}`" in done.stderr
    assert logs(tmp_path) == 2
    rows = read_scores(tmp_path / "results" / "scores.csv").rows
    states = {
        (row["stage"], row["benchmark"]): (row["status"], row["value"] is None)
        for row in rows
        if row["run"] == planned([*tiny_run, *wild]).plan.run["run"]
    }
    lacking = ("diverged", True)
    assert states == {
        (0, "copy"): ("done", False), (0, "count"): ("done", False),
        (1, "copy"): lacking, (2, "copy"): lacking, (2, "count"): lacking,
    }  # fmt: skip
    known_runs = load_runs(read_scores(tmp_path / "results" / "scores.csv"))
    assert [one.ended for one in known_runs] == [(1, "diverged")] * 2

    assert harness("run", *tiny_run, *wild).returncode == 1  # nothing is left to do
    assert logs(tmp_path) == 2
    place = f"--store={tmp_path / 'store'}"
    assert harness("store", "forget", place, "--diverged", key).returncode == 0
    with pytest.raises(Diverged):
        run(tiny_run, *wild)
    assert logs(tmp_path) == 3


@pytest.mark.distributed
def test_a_loss_above_the_bound_ends_a_stage_until_the_bound_allows_it(
    tiny_run: list[str], tmp_path: Path
) -> None:
    words = [*tiny_run, "eval.limit=2", "eval.stage0=false", "method=single"]
    with pytest.raises(Diverged, match=r"at step 1, above train\.loss_bound=0\.001; .*; stage 2, "):
        run(words, "train.loss_bound=0.001")
    store = planned(words).store
    assert [how.step for how in all_broken(store).values()] == [1, 1]  # both: they stand alone
    done = run(words)
    assert (done.trained, done.scored) == (2, 2)
    assert all_broken(store) == {}
    reports = [json.loads(path.read_text()) for path in store.root.glob("train/*/training.json")]
    assert all(report["steps"][0]["loss"] > 0.001 for report in reports)


@pytest.mark.distributed
def test_a_sweep_goes_on_without_the_job_that_diverges(tiny_run: list[str]) -> None:
    words = [word for word in tiny_run if not word.startswith("train.learning_rate")]
    words += ["eval.limit=2", "eval.stage0=false", "train.clip=0", "train.max_steps=3"]
    done = harness("-m", *words, "train.learning_rate=1e30,1e-3")
    assert done.returncode == 1
    assert "diverged: the loss of copy is nan" in done.stdout
    assert "1 of 2 jobs complete" in done.stdout
