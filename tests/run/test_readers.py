"""What stays for runs that are not finished, and what ends that; work is only written."""

import os
import time
from pathlib import Path

import pytest
from support.command import harness, refused
from support.stored import known, planned, write

from harness.run.job import Job
from harness.run.readers import note_progress, unfinished_runs
from harness.run.retention import stays_for, tidy, weights
from harness.store.work import TrainWork

DAY = 86_400


@pytest.fixture
def other(tiny_run: list[str], finished: Job) -> Job:
    """A run that has cells of the same stages still to score."""
    return known(planned(tiny_run, "eval.limit=3"))


def age(job: Job, days: float, folder: str = "readers") -> None:
    then = time.time() - days * DAY
    os.utime(job.store.root / folder / f"{job.plan.run['run']}.json", (then, then))


def models(job: Job) -> int:
    nodes = job.plan.of(TrainWork)
    return sum(bool(weights(job.store, (node.kind, node.key))) for node in nodes)


def test_a_run_holds_what_it_reads_until_it_is_abandoned(finished: Job, other: Job) -> None:
    name = other.plan.run["run"]
    assert name != finished.plan.run["run"]
    age(other, 29)
    assert tidy(finished.store, finished.plan, "none") == []
    (line,) = stays_for(finished.store, finished.plan, "none")
    assert "weights of stages 1, 2 stay, as seqft seed=0 on micro8 reads them (3 pieces" in line
    assert line.endswith(f"29 days ago); finish it, or `python -m harness store forget {name}`")
    age(other, 31)
    note_progress(other.store, other.plan)
    assert tidy(finished.store, finished.plan, "none") == []
    age(other, 31)
    assert stays_for(finished.store, finished.plan, "none") == []
    assert len(tidy(finished.store, finished.plan, "none")) == 2
    assert models(finished) == 0


def test_a_run_that_is_worked_on_is_not_abandoned(finished: Job, other: Job) -> None:
    """However long its pieces take."""
    age(other, 400)
    last = other.plan.nodes[-1]
    with other.store.locks([(last.kind, last.key)]):
        assert tidy(finished.store, finished.plan, "none") == []
        name = other.plan.run["run"]
        line = refused("store", "forget", f"--store={finished.store.root}", name)
        assert line == f"error: forget: run {name} is being worked on; end that process first"
    assert len(tidy(finished.store, finished.plan, "none")) == 2


def test_a_run_that_does_not_say_what_it_reads(finished: Job, other: Job) -> None:
    """Everything stays beside it; a finished one is no such."""
    for job in (finished, other):
        (job.store.root / "readers" / f"{job.plan.run['run']}.json").unlink()
    assert [run.reads for run in unfinished_runs(finished.store)] == [None]
    assert tidy(finished.store, finished.plan, "none") == []
    (line,) = stays_for(finished.store, finished.plan, "none")
    assert "does not say what it reads, as it is of an earlier version" in line
    name = other.plan.run["run"]
    done = harness("store", "forget", f"--store={finished.store.root}", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert unfinished_runs(finished.store) == []
    assert len(tidy(finished.store, finished.plan, "none")) == 2


def test_one_whose_file_cannot_be_read(finished: Job, other: Job) -> None:
    """It may read anything; one that is gone reads nothing."""
    file = other.store.root / "readers" / f"{other.plan.run['run']}.json"
    file.write_text('[["eval", ')
    assert [run.reads for run in unfinished_runs(finished.store)] == [None]
    assert tidy(finished.store, finished.plan, "none") == []
    assert models(finished) == 2


def test_one_that_is_old_and_does_not_say(finished: Job, other: Job) -> None:
    (other.store.root / "readers" / f"{other.plan.run['run']}.json").unlink()
    age(other, 31, "runs")
    assert len(tidy(finished.store, finished.plan, "none")) == 2


def test_the_verbs_list_and_forget(finished: Job, tiny_run: list[str]) -> None:
    """Another seed's stages are nobody else's; what is shared stays with --weights."""
    seed = planned(tiny_run, "seed=1")
    write(seed, ("train",))
    shared = planned(tiny_run, "eval.limit=3")
    for job in (seed, shared):
        known(job)
    place = f"--store={finished.store.root}"
    listed = harness("store", "unfinished", place).stdout.splitlines()
    assert listed[0] == f"{finished.store.root}: runs: 3, not finished: 2"
    told = "today; weights of 2 stages stay for it (0.00 GB)"
    assert sum(line.endswith(told) for line in listed) == 2
    age(shared, 5)
    assert (
        "abandoned (store.forget_days=5)"
        in harness("store", "unfinished", place, "--days=5").stdout
    )
    names = [job.plan.run["run"] for job in (seed, shared)]
    words = [names[0][:12], names[1], "--weights"]
    told = harness("store", "forget", place, *words).stdout.splitlines()
    assert told[0].startswith(f"{names[0]}: forgotten; dropped 2 stages that no other run knows")
    assert told[1].startswith(f"{names[1]}: forgotten; dropped 0 stages")
    assert (models(seed), models(finished)) == (0, 2)
    assert harness("store", "unfinished", place).stdout.endswith("runs: 3, not finished: 0\n")
    for words, line in (
        ([names[0]], f"run {names[0]} is finished, or forgotten: it holds nothing"),
        (["x"], "RUN x: there is no such run; known: "),
        (["--weights"], "the following arguments are required: RUN"),
        ([names[0], "--days=0"], "--days=0: it must be a positive number"),
    ):
        assert line in refused("store", "forget", place, *words)
    assert "there is no folder /nowhere" in refused("store", "unfinished", "--store=/nowhere")


def test_days_that_are_none(tiny_run: list[str], tmp_path: Path) -> None:
    line = "error: store.forget_days=0: use a positive number of days, or null = never"
    assert refused(*tiny_run, "store.forget_days=0") == line
    assert not (tmp_path / "store").exists()
