"""Intervals of a number whose variance has parts, by numerical integration and scipy's tests."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from harness.results.comparing.interval import LEVEL, POWER, from_parts, holm, unknown

DRAWS = stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, np.arange(1, 10)[:, None])  # by freedom


KNOWN = (0, 0.03, 0.1, 0.3, 1, 2, 3, 5, 10, 30)  # variances beside one of 1 that is estimated


def coverage(
    known: float, estimated: float, freedom: int, level: float = LEVEL, critical=None
) -> float:
    """Of the true difference, where one part of the variance is known and the other is drawn."""
    drawn = estimated * DRAWS[freedom - 1] / freedom
    found = from_parts(np.zeros_like(drawn), [(drawn, freedom), (known, math.inf)])
    half = (found.quantile(1 - level / 2) if critical is None else critical(drawn)) * found.error
    return float(np.mean(2 * stats.norm.cdf(half / math.sqrt(known + estimated)) - 1))


@pytest.mark.parametrize("freedom", [2, 3, 4, 9])
def test_three_seeds_and_more_hold_the_truth_in_95_to_97_of_100_cases(freedom: int) -> None:
    found = [coverage(known, 1.0, freedom) for known in KNOWN]
    assert min(found) > (0.948 if freedom == 2 else 0.9495)
    assert max(found) < (0.966 if freedom == 2 else 0.962)


@pytest.mark.parametrize("level", [0.05 / 5, 0.05 / 2])
def test_smaller_levels_are_kept_as_well(level: float) -> None:
    """Of several tests, with three seeds."""
    found = [1 - coverage(known, 1.0, 2, level) for known in KNOWN]
    assert max(found) < 1.26 * level
    assert min(found) > 0.3 * level


def test_degrees_of_freedom_after_satterthwaite_would_promise_too_much() -> None:
    def satterthwaite(drawn):
        return stats.t.ppf(1 - LEVEL / 2, 2 * ((drawn + 1) / drawn) ** 2)

    assert 0.93 < coverage(1.0, 1.0, 2, critical=satterthwaite) < 0.945
    assert 0.92 < coverage(1.0, 10.0, 2, critical=satterthwaite) < 0.925


def test_one_part_is_students() -> None:
    found = from_parts(0.3, [(0.04, 5)])
    test = stats.t(5)
    assert found.ends() == pytest.approx((0.3 - 0.2 * test.ppf(0.975), 0.3 + 0.2 * test.ppf(0.975)))
    assert found.p() == pytest.approx(2 * test.sf(1.5), rel=1e-9)
    # The power of Student's test by its own distribution.
    power = brentq(lambda x: stats.nct.sf(test.ppf(0.975), 5, x) - POWER, 0, 20)
    assert found.detectable() == pytest.approx(0.2 * power, rel=1e-6)


def test_two_parts_by_hand() -> None:
    found = from_parts(1.0, [(0.3, 2), (0.1, math.inf)])
    assert found.error == pytest.approx(math.sqrt(0.4))
    counted = 0.75 - 0.75 * 0.0625 / 2
    expected = counted * stats.t.ppf(0.975, 2) + (1 - counted) * stats.norm.ppf(0.975)
    assert found.quantile(0.975) == pytest.approx(expected)


def test_interval_and_test_agree() -> None:
    """At the edge of the interval p is 5 %."""
    found = from_parts(0.0, [(0.3, 2), (0.1, 40)])
    edge = from_parts(found.ends()[1], [(0.3, 2), (0.1, 40)])
    assert edge.p() == pytest.approx(LEVEL, rel=1e-6)
    assert edge.calls(LEVEL + 1e-6)
    assert not edge.calls(LEVEL - 1e-6)


def test_several_at_once_are_the_same_as_one_by_one() -> None:
    differences, variances = np.array([0.0, 0.2, 5.0]), np.array([0.0, 0.02, 0.01])
    many = from_parts(differences, [(variances, 3), (0.01, 20.0)])
    ones = [
        from_parts(d, [(v, 3), (0.01, 20.0)]) for d, v in zip(differences, variances, strict=True)
    ]
    assert many.p() == pytest.approx([one.p() for one in ones])
    assert many.detectable() == pytest.approx([one.detectable() for one in ones])


def test_nothing_and_everything_that_is_known() -> None:
    assert from_parts(0.1, [(0.0, 3), (0.0, 5)]).p() < 1e-8
    assert from_parts(0.0, [(0.0, 3)]).p() == 1.0
    assert unknown(0.4).p() == 1.0
    assert unknown(0.4).ends() == (-math.inf, math.inf)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
