"""Units, ranges, errors of sums, and the names of costs."""

import math

import pytest

from harness.store.scores import (
    COSTS,
    JUDGE_POINTS,
    JUDGE_RATE,
    SCORE_UNIT,
    StageCost,
    combined_error,
    misfit,
    wrong_score,
)


@pytest.mark.parametrize(
    ("value", "unit", "problem"),
    [
        (0, SCORE_UNIT, None),
        (True, SCORE_UNIT, None),
        (1.0, None, None),
        (3.5, None, "outside 0..1"),
        (-0.01, SCORE_UNIT, "outside 0..1"),
        (math.nan, SCORE_UNIT, "not a number"),
        ("0.5", SCORE_UNIT, "not a number"),
        (None, SCORE_UNIT, "not a number"),
        ([0.5], SCORE_UNIT, "not a number"),
        (-50, JUDGE_POINTS, None),
        (50.5, JUDGE_POINTS, "outside -50..50"),
        (1.5, JUDGE_RATE, "outside 0..1"),
        (1234.5, "perplexity", None),
        (math.inf, "perplexity", "not finite"),
        (math.nan, "perplexity", "not a number"),
    ],
)
def test_every_unit_has_its_range(value, unit, problem):
    assert misfit(value, unit) == problem


def row(**changes):
    about = {"subtask": None, "metric": "accuracy", "filter": "none", "value": 0.5}
    return {**about, "stderr": None, "n": 1, "higher_is_better": True, **changes}


def test_the_first_wrong_value_is_named():
    assert wrong_score([row(), row(value=None)]) is None
    told = wrong_score([row(), row(metric="f1", subtask="law", value=3.5), row(value=7)])
    assert told == "f1 of law is 3.5, which is outside 0..1"
    assert wrong_score([row(value=3.5)], "points") is None
    assert wrong_score([row(value=3.5, unit="points")], SCORE_UNIT) is None
    lacking = row()
    del lacking["filter"]
    assert wrong_score([lacking]) == "a row of scores lacks filter"


def test_errors_of_independent_parts():
    assert combined_error([0.3, 0.4]) == pytest.approx(0.5)
    assert combined_error([0.3, 0.4], [0.5, 0.25]) == pytest.approx(math.sqrt(0.15**2 + 0.1**2))
    assert combined_error([0.3, None]) is None
    assert combined_error([]) == 0


def test_a_cost_has_one_name():
    """What a stage writes is what tables ask for."""
    assert [cost.name for cost in COSTS] == list(StageCost.__dataclass_fields__)
    assert {cost.name for cost in COSTS if cost.of_run is max} == {
        "stored_examples",
        "extra_parameters",
        "peak_memory",
    }
