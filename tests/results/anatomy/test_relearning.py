"""Steps of relearning beside those of first learning, from tables written by hand."""

import pytest
from support.tables import records

from harness.errors import DataError
from harness.results.anatomy.relearning import (
    curve_table,
    relearned,
    relearning_table,
    saved,
    steps_to,
)
from harness.results.schema import Scores

AGAIN = {1: 0.5, 2: 0.6, 4: 0.8, 8: 0.75}
FIRST = {2: 0.3, 8: 0.7, 16: 0.9}


@pytest.fixture
def rows(score_row):
    """A task learned to 0.8, lost to 0.4 by another one, and trained again; and alone."""

    def run(tasks, steps, cells):
        about = {"run": f"{tasks}-{steps}", "tasks": tasks}
        last = len(tasks.split("|"))
        cost = {"suite": "cost", "benchmark": "training", "metric": "optimizer_steps"}
        cost |= {"unit": "steps", "headline": False, "value": float(steps), "stage": last}
        scored = [score_row(stage=t, benchmark=b, value=v, **about) for (t, b), v in cells.items()]
        return [*scored, score_row(**about, **cost)]

    sequence = {(1, "a"): 0.8, (2, "a"): 0.4, (2, "b"): 0.9}
    found = []
    for steps, score in AGAIN.items():
        found += run("a|b|a#2", steps, sequence | {(3, "a"): score, (3, "a#2"): score})
    for steps, score in FIRST.items():
        found += run("a", steps, {(0, "a"): 0.1, (1, "a"): score})
    return found


def test_curves_by_hand(rows) -> None:
    [one] = relearned(Scores.of(rows).rows)
    assert (one.task, one.target) == ("a", 0.8)
    assert one.again == {0: 0.4, **AGAIN}
    assert one.first == {0: 0.1, **FIRST}
    assert steps_to(one.again, 0.8) == (2, 4)
    assert steps_to(one.again, 0.3) == (None, 0)
    assert steps_to(one.again, 0.95) == (8, None)
    assert saved(one) == pytest.approx(1 - 4 / 16)


def test_the_tables(rows) -> None:
    found = relearned(Scores.of(rows).rows)
    [told] = records(relearning_table(found, "d"))
    assert (told["target"], told["lost_to"], told["saved_percent"]) == ("80.0", "40.0", "75.0")
    assert (told["steps_again"], told["steps_first"]) == ("4 (not 2)", "16 (not 8)")
    assert told["stages_between"] == "1"
    points = records(curve_table(found, "d"))
    assert [int(point["steps"]) for point in points] == [0, 1, 2, 4, 8, 16]
    assert (points[1]["first"], points[1]["again"]) == ("", "50.0")


def test_other_models_seeds_and_what_is_not_reached(rows, score_row) -> None:
    other = [row | {"seed": 2} if row["tasks"] == "a" else row for row in rows]
    [one] = relearned(Scores.of(other).rows)
    assert (one.first, saved(one)) == ({}, None)
    never = [row | {"value": 0.99} if (row["stage"], row["suite"]) == (1, "target") else row
             for row in rows if row["tasks"] != "a"]  # fmt: skip
    [told] = records(relearning_table(relearned(Scores.of(never).rows), "d"))
    assert (told["steps_again"], told["saved_percent"]) == ("not after 8", "")
    with pytest.raises(DataError, match="no run whose last task was trained before"):
        relearned(Scores.of([score_row()]).rows)
