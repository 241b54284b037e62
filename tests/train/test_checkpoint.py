"""When a checkpoint is written, and which one is never taken up."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import DataError
from harness.store.kept import Kept
from harness.store.leases import Leases
from harness.store.listener import SILENT
from harness.train.checkpoint import FORMAT, GO_ON, KEEP, LEAVE, Checkpoints, Keeping
from harness.train.cost import CostMeter
from harness.train.engine.ranks import Rank


def checkpoints(
    place: Path, steps: int | None, minutes: float | None, rank: int = 0
) -> Checkpoints:
    train = SimpleNamespace(checkpoint_steps=steps, checkpoint_minutes=minutes)
    training = SimpleNamespace(
        engine=SimpleNamespace(rank=Rank(rank, 2, "cpu")),
        job=SimpleNamespace(config=SimpleNamespace(train=train)),
        stage=SimpleNamespace(total=5),
    )
    kept = Kept(place, Leases(place), "0123456789abcdef")
    return Checkpoints(training, Keeping(kept), CostMeter("cpu"), SILENT.tell)


@pytest.mark.parametrize(
    ("minutes", "ago", "cost", "decided"),
    [
        (10.0, 590, 0.0, GO_ON),
        (10.0, 610, 0.0, KEEP),
        (10.0, 610, 17.0, KEEP),  # 3% of 610 s are 18.3 s
        (10.0, 610, 20.0, GO_ON),
        (10.0, 700, 20.0, KEEP),
        (None, 9999, 0.0, GO_ON),
    ],
)
def test_by_minutes_and_at_most_a_share_of_the_time(
    tmp_path: Path, minutes: float | None, ago: float, cost: float, decided: int
) -> None:
    some = checkpoints(tmp_path, None, minutes)
    some.last_time, some.cost = time.monotonic() - ago, cost
    assert some._decide(3) == decided


def test_by_steps_whatever_they_cost(tmp_path: Path) -> None:
    some = checkpoints(tmp_path, 3, 10)
    some.last_step, some.cost = 4, 1000.0
    assert [some._decide(done) for done in (5, 6, 7, 8)] == [GO_ON, GO_ON, KEEP, KEEP]


def test_the_first_rank_has_the_clock_and_any_may_be_asked_to_leave(tmp_path: Path) -> None:
    other = checkpoints(tmp_path, 1, 10, rank=1)
    assert other._decide(3) == GO_ON
    other._leaving.asked = True
    assert other._decide(3) == LEAVE == max(GO_ON, KEEP, LEAVE)


def test_one_that_lists_no_files_is_not_taken_up(tmp_path: Path) -> None:
    some = checkpoints(tmp_path, 1, None)
    kept = some.keeping.kept
    kept.path(2).mkdir()
    (kept.path(2) / "manifest.json").write_text(f'{{"format": {FORMAT}, "files": {{}}}}')
    line = "engine.safetensors, running.json, stage.json: not listed in its manifest"
    with pytest.raises(DataError, match=line):
        some._read(kept, 2)
