"""Losses along lines and their barriers, from a table and a store written by hand."""

import json
import math
from pathlib import Path

import pytest
from support.tables import records

from harness.errors import DataError
from harness.results.anatomy.line import lines, lines_table, points_table
from harness.results.schema import Scores
from harness.store.store import Store

LOSSES = {0.0: 1.0, 0.25: 2.5, 0.5: 3.0, 1.0: 2.0}
# Above the line from 1 to 2: 2.5 - 1.25 at a quarter, 3 - 1.5 at the half.
BARRIER = (1.5, 0.5)


def edited(root: Path, key: str, alpha: float, target: str = "between") -> None:
    place = root / "edit" / key
    place.mkdir(parents=True)
    settings = {"_target_": target, "alpha": alpha, "start": 2}
    tuned = [{"kind": "train", "key": f"stage{stage}"} for stage in (1, 2, 3)]
    (place / "manifest.json").write_text(json.dumps({"settings": settings, "tuned": tuned}))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    for alpha in LOSSES:
        edited(tmp_path / "store", f"edit{alpha:g}", alpha)
    return Store(tmp_path / "store")


@pytest.fixture
def rows(score_row):
    found = []
    for alpha, loss in LOSSES.items():
        about = {
            "run": f"run{alpha:g}",
            "tasks": "a|b|c",
            "stage": 3,
            "model_key": f"edit{alpha:g}",
        }
        lower = {"higher_is_better": False, "suite": "loss"}
        found += [
            score_row(**about, **lower, benchmark="a", metric="loss", unit="nats", value=loss),
            score_row(
                **about, **lower, benchmark="p", metric="perplexity", unit="perplexity",
                value=math.exp(loss),
            ),
            score_row(**about, benchmark="c", value=1 - loss / 10),
        ]  # fmt: skip
    return found


def test_barriers_by_hand(rows, store: Store) -> None:
    found = {line.measure: line for line in lines(Scores.of(rows).rows, store)}
    assert set(found) == {"loss (nats)", "log perplexity", "error (accuracy)"}
    assert found["loss (nats)"].losses == LOSSES
    assert found["log perplexity"].losses == pytest.approx(LOSSES)
    assert (found["loss (nats)"].start, found["loss (nats)"].end) == (2, 3)
    assert found["loss (nats)"].barrier() == BARRIER
    assert found["log perplexity"].barrier() == pytest.approx(BARRIER)
    assert found["error (accuracy)"].barrier() == pytest.approx((15.0, 0.5))  # points
    convex = next(line for line in found.values())
    convex.losses = {0.0: 1.0, 0.5: 1.1, 1.0: 2.0}
    assert convex.barrier() == (0.0, 0.0)


def test_the_tables(rows, store: Store) -> None:
    found = lines(Scores.of(rows).rows, store)
    [told] = [row for row in records(lines_table(found, "d")) if row["measure"] == "loss (nats)"]
    ends = (told["loss_0"], told["loss_1"], told["largest"])
    assert ends == ("1.000", "2.000", "3.000")
    assert (told["barrier"], told["barrier_alpha"]) == ("1.500", "0.5")
    points = [row for row in records(points_table(found, "d")) if row["benchmark"] == "a"]
    assert [(point["alpha"], point["loss"]) for point in points] == [
        ("0", "1.000"), ("0.25", "2.500"), ("0.5", "3.000"), ("1", "2.000"),
    ]  # fmt: skip


def test_lines_without_an_end_or_of_other_edits_are_none(rows, store: Store) -> None:
    inner = [row for row in rows if row["run"] != "run1"]
    for some in (inner, [row | {"model_key": "elsewhere"} for row in rows]):
        with pytest.raises(DataError, match="no line between two stages was scored at both ends"):
            lines(Scores.of(some).rows, store)
    edited(store.root, "other", 0.5, "wise_ft")
    with pytest.raises(DataError):
        lines(Scores.of([row | {"model_key": "other"} for row in rows]).rows, store)
