"""The frontier: hand-computed differences from the curve, and the verdict on both sides."""

import pytest
from support.command import refused

from harness.results.report.frontier import Mean, Point, compare, verdict


def exactly(value: float, item: float | None = 0.0) -> Mean:
    return Mean(value, item, 0.0)


def place(label: str, learned: float, kept: float, error: float = 0.01, **more: float) -> Point:
    """Three seeds that agree, so that only the items' error counts; `more`: see Mean."""
    return Point(label, exactly(learned, more.get("learned_error", 0.0)), exactly(kept, error), 3)


# 10 points of BWT lost for 10 points learned, between rates that learn 0.5, 0.6 and 0.7.
CURVE = [place(str(i), 0.5 + 0.1 * i, -0.1 * i) for i in range(3)]


def method(learned: float, kept: float, error: float = 0.01) -> Point:
    return place("beta=1", learned, kept, error)


def test_the_difference_is_taken_at_equal_learning_accuracy() -> None:
    (found,) = compare([method(0.65, -0.05)], CURVE)
    assert found.difference == pytest.approx(-0.05 + 0.15)
    # half of each neighbour's error, and the point's own
    assert found.error == pytest.approx((0.01**2 + 2 * 0.005**2) ** 0.5)
    assert found.side == 1
    told = "beyond the learning rate: at beta=1 BWT is 10.0 ± 1.2 points above"
    assert verdict([found]).startswith(told)


def test_an_error_in_learning_accuracy_moves_along_the_curve() -> None:
    wide = place("w", 0.65, -0.05, learned_error=0.08)
    (found,) = compare([wide], CURVE)
    assert found.error == pytest.approx((0.08**2 + 0.01**2 + 2 * 0.005**2) ** 0.5)
    assert found.side == 0
    # the curve's own: half of each neighbour's, times the slope of -1
    shaky = [place(p.label, p.learned.value, p.kept.value, learned_error=0.08) for p in CURVE]
    (found,) = compare([method(0.65, -0.05)], shaky)
    assert found.error == pytest.approx((0.01**2 + 2 * 0.005**2 + 2 * 0.04**2) ** 0.5)


def test_a_point_on_the_curve_is_a_lower_rate() -> None:
    assert verdict(compare([method(0.55, -0.05)], CURVE)) == "not distinguishable from a lower rate"


def test_a_point_below_the_curve_is_said_to_be_worse() -> None:
    told = verdict(compare([method(0.65, -0.45)], CURVE))
    assert told.startswith("worse than a lower rate: even at beta=1 BWT is 30.0 ± 1.2 points below")
    mixed = verdict(compare([method(0.65, -0.45), method(0.55, -0.05)], CURVE))
    assert mixed == "not distinguishable from a lower rate"


def test_many_tries_raise_the_bar() -> None:
    lucky = method(0.55, -0.05 + 0.0215)
    assert compare([lucky], CURVE)[0].side == 1
    others = [method(0.55, -0.05)] * 4
    assert compare([lucky, *others], CURVE)[0].side == 0


def test_seeds_that_spread_make_the_quantile_one_of_few_degrees_of_freedom() -> None:
    """All error of one term, with two degrees of freedom: t = 2.92 instead of 1.64."""
    exact = [place(p.label, p.learned.value, p.kept.value, 0.0) for p in CURVE]

    def at(difference: float) -> int | None:
        kept = Mean(-0.05 + difference, 0.0, 0.01)
        return compare([Point("p", exactly(0.55), kept, 3)], exact)[0].side

    assert (at(0.0291), at(0.0293)) == (0, 1)


def test_fewer_than_three_seeds_make_no_test() -> None:
    two = Point("beta=1", exactly(0.65), exactly(-0.05, 0.01), seeds=2)
    (found,) = compare([two], CURVE)
    assert found.side is None
    told = "no test with fewer than 3 seeds; at beta=1 BWT is 10.0 ± 1.2 points above"
    assert verdict([found]).startswith(told)


def test_unknown_errors_make_no_test() -> None:
    (found,) = compare([Point("beta=1", exactly(0.65), exactly(-0.05, None), 3)], CURVE)
    assert (found.error, found.side) == (None, None)
    told = "no test with unknown errors of the scores; at beta=1 BWT is 10.0 points above"
    assert verdict([found]).startswith(told)


def test_what_can_be_tested_is() -> None:
    unknown = Point("beta=2", exactly(0.65), exactly(-0.05, None), 3)
    told = verdict(compare([unknown, method(0.55, -0.05)], CURVE))
    assert told == "not distinguishable from a lower rate; not tested: beta=2"


def test_nothing_is_extrapolated() -> None:
    (found,) = compare([method(0.9, 0.0)], CURVE)
    assert found.difference is None
    assert verdict([found]).startswith("undecided")
    both = verdict(compare([place("beta=2", 0.9, 0.0), method(0.55, -0.05)], CURVE))
    assert both.endswith("a lower rate; outside the rates that were tried: beta=2")


def test_why_nothing_was_compared_is_told() -> None:
    """One rate is no curve, but a setting that learned as much stands beside it."""
    (high,) = compare([method(0.9, 0.0)], CURVE)
    told = verdict([high], CURVE)
    low, top = (100 * end(item.learned.value for item in CURVE) for end in (min, max))
    assert f"(90.0) lies within that of the rates, {low:.1f} to {top:.1f}, that were" in told
    one = [CURVE[0]]
    (other,) = compare([method(0.9, 0.0)], one)
    assert "one rate was tried, whose learning accuracy is" in verdict([other], one)
    # Numbers that differ are told with as many digits as show it.
    (near,) = compare([method(one[0].learned.value + 2e-4, 0.0)], one)
    learned = 100 * one[0].learned.value
    assert f"is {learned:.2f}, not {learned + 0.02:.2f}" in verdict([near], one)
    (same,) = compare([method(one[0].learned.value, one[0].kept.value - 0.1)], one)
    assert same.difference == pytest.approx(-0.1)


def test_where_the_curve_bends_back_the_best_rate_is_the_rival() -> None:
    bent = [*CURVE, place("3", 0.6, -0.6)]
    (found,) = compare([method(0.65, -0.05)], bent)
    assert found.difference == pytest.approx(0.10)
    # Two rates that learn as much as the point: the one that keeps more.
    flat = [place("0", 0.5, 0.0), place("1", 0.6, -0.3), place("2", 0.6, -0.1)]
    (found,) = compare([method(0.6, -0.05)], flat)
    assert found.difference == pytest.approx(0.05)


ONE = ["rates=1e-4", "seeds=0"]  # one run to set the method beside


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["knob=ratio"], "method is missing"),
        (["method=replay", "knob=ratoi"], "replay has no such parameter; did you mean 'ratio'?"),
        (["method=replay", "knob=ratio", "rates=a,b"], "rates=a: it must be numbers"),
        (["method=replay", "knob=extra"], "say which to try, values=a,b,c"),
        (["method=soup", "knob=x"], "soup has no such parameter"),
        (
            ["method=ties", "knob=density", "values=0.2", *ONE, "method.edit.at=final"],
            "a frontier needs BWT, and ties on micro8 has none",
        ),
        (["method=replay", "knob=ratio", "values=7", *ONE], "ratio=7.0: it must be in [0, 1]"),
    ],
)
def test_refusals(words: list[str], told: str) -> None:
    assert told in refused("frontier", *words)
