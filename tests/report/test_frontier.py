"""The frontier: hand-computed differences from the curve, and the verdict on both sides."""

import pytest
from conftest import refused

from harness.report.frontier import Point, compare, verdict

# 10 points of BWT lost for 10 points learned, between rates that learn 0.5, 0.6 and 0.7.
CURVE = [Point(str(i), 0.5 + 0.1 * i, -0.1 * i, 0.0, 0.01) for i in range(3)]


def method(learned: float, kept: float, error: float = 0.01) -> Point:
    return Point("beta=1", learned, kept, 0.0, error)


def test_the_difference_is_taken_at_equal_learning_accuracy() -> None:
    (found,) = compare([method(0.65, -0.05)], CURVE)
    assert found.difference == pytest.approx(-0.05 + 0.15)
    # half of each neighbour's error, and the point's own
    assert found.error == pytest.approx((0.01**2 + 2 * 0.005**2) ** 0.5)
    assert found.beyond
    assert "at beta=1 BWT is 10.0 ± 1.2 points above" in verdict([found])


def test_an_error_in_learning_accuracy_moves_along_the_curve() -> None:
    wide = Point("w", 0.65, -0.05, 0.08, 0.01)
    (found,) = compare([wide], CURVE)
    assert found.error == pytest.approx((0.08**2 + 0.01**2 + 2 * 0.005**2) ** 0.5)
    assert not found.beyond


def test_a_point_on_the_curve_is_a_lower_rate() -> None:
    assert verdict(compare([method(0.55, -0.05)], CURVE)) == "not distinguishable from a lower rate"


def test_many_tries_raise_the_bar() -> None:
    lucky = method(0.55, -0.05 + 0.0215)
    assert compare([lucky], CURVE)[0].beyond
    others = [method(0.55, -0.05)] * 4
    assert not compare([lucky, *others], CURVE)[0].beyond


def test_nothing_is_extrapolated() -> None:
    (found,) = compare([method(0.9, 0.0)], CURVE)
    assert found.difference is None
    assert verdict([found]).startswith("undecided")


def test_where_the_curve_bends_back_the_best_rate_is_the_rival() -> None:
    bent = [*CURVE, Point("3", 0.6, -0.6, 0.0, 0.01)]
    (found,) = compare([method(0.65, -0.05)], bent)
    assert found.difference == pytest.approx(0.10)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["knob=ratio"], "method is missing"),
        (["method=replay", "knob=ratoi"], "replay has no such parameter; did you mean 'ratio'?"),
        (["method=replay", "knob=ratio", "rates=a,b"], "rates=a: it must be numbers"),
        (["method=replay", "knob=extra"], "say which to try, values=a,b,c"),
        (["method=replay", "knob=ratio", "values=7"], "ratio=7.0: it must be in [0, 1]"),
    ],
)
def test_refusals(words: list[str], told: str) -> None:
    assert told in refused("frontier", *words)
