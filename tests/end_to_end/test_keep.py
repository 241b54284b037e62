"""store.keep: weights go when nothing needs them, and nothing else changes."""

import json
from pathlib import Path

import pytest
from support.command import harness

from harness.config.compose.compose import load
from harness.results.schema import read_scores
from harness.run.job import Job, job_of
from harness.run.parent import execute
from harness.run.pending import pending_nodes
from harness.run.readers import record_readers
from harness.run.retention import tidy
from harness.store.store import Store
from harness.store.work import TrainWork

pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def finished(
    tiny_model: Path,
    tiny_data: Path,
    tiny_conf: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[str], Path]:
    """A run of two stages that keeps everything, with a method that hands on a state."""
    folder = tmp_path_factory.mktemp("keep")
    overrides = [
        *tiny_conf,
        f"model.path={tiny_model}",
        f"data.root={tiny_data}",
        f"store.root={folder / 'store'}",
        f"store.results={folder / 'results'}",
        "method=ewc",
        "train.max_steps=2",
    ]
    execute(load(overrides))
    return overrides, folder


def weights(store: Path) -> int:
    """Bytes of weights in a store."""
    return sum(path.stat().st_size for path in store.rglob("*.safetensors"))


def planned(overrides: list[str], *more: str) -> Job:
    return job_of(load([*overrides, *more]))


def names(job: Job) -> list[str]:
    """What is to do of a job, as (kind, stage)."""
    todo = pending_nodes(job.config, Store(job.store.root), job.plan)
    return [f"{node.kind} {node.stage}" for node in todo]


def test_dropping_changes_no_score_and_asks_for_nothing(finished: tuple[list[str], Path]) -> None:
    """In this order: what another run still needs stays; ends keeps the last stage; again nothing
    is to do; what a new suite needs is trained again, and `plan` says why; a kill is survived."""
    overrides, folder = finished
    before = read_scores(folder / "results" / "scores.csv").frame()
    full = weights(folder / "store")
    # Another run of the store has cells of the first stage still to score.
    shared = planned(overrides, "eval.limit=3")
    record_readers(shared.store, shared.plan)
    kept = planned(overrides, "store.keep=ends")
    assert tidy(Store(kept.store.root), kept.plan, "ends") == []
    assert weights(folder / "store") == full
    (folder / "store" / "readers" / f"{shared.plan.run['run']}.json").unlink()

    again = execute(load([*overrides, "store.keep=ends"]))
    assert (again.trained, again.scored) == (0, 0)
    assert weights(folder / "store") < 0.6 * full
    first, last = kept.plan.of(TrainWork)
    store = Store(folder / "store")
    assert store.done("train", first.key)
    assert not store.whole("train", first.key)
    assert store.whole("train", last.key)
    after = read_scores(folder / "results" / "scores.csv").frame()
    assert after.drop(columns="created", errors="ignore").equals(
        before.drop(columns="created", errors="ignore")
    )

    assert names(planned(overrides)) == []
    narrower = planned(overrides, "eval.limit=3")
    assert names(narrower) == ["eval 0", "eval 0", "train 1", "eval 1", "eval 2", "eval 2"]
    told = harness("plan", *overrides, "eval.limit=3")
    assert "train copy again: its weights were dropped (store.keep)" in told.stdout, told.stdout


def test_a_kill_between_the_note_and_the_files(finished: tuple[list[str], Path]) -> None:
    overrides, folder = finished
    job = planned(overrides, "store.keep=none")
    _, last = job.plan.of(TrainWork)
    place = folder / "store" / "train" / last.key
    listed = [path.name for path in place.glob("*.safetensors")]
    (place / "dropped.json").write_text(json.dumps(dict.fromkeys(listed, 0)))
    store = Store(folder / "store")
    assert store.done("train", last.key)
    assert names(planned(overrides)) == []
    tidy(store, job.plan, "none")
    assert weights(folder / "store") == 0
    assert names(planned(overrides)) == []


def test_what_was_dropped_is_made_again_stage_after_stage(
    finished: tuple[list[str], Path],
) -> None:
    """The first stage stays until the second, made again as well, has read it."""
    overrides, folder = finished
    tidy(Store(folder / "store"), planned(overrides, "store.keep=none").plan, "none")
    later = execute(load([*overrides, "store.keep=none", "eval.limit=3"]))
    assert (later.trained, later.left_out) == (2, [])
    assert weights(folder / "store") == 0


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("some", "store.keep=some: use all, ends or none, or stages as in [1,2]"),
        ("[7]", "store.keep: there is no stage 7; use 1 to 2"),
    ],
)
def test_a_wrong_policy_is_one_line(tiny_run: list[str], value: str, line: str) -> None:
    done = harness("plan", *tiny_run, f"store.keep={value}")
    assert done.returncode == 2
    assert line in done.stderr
    assert "Traceback" not in done.stderr
