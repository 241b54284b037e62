"""Item errors against scipy's Wilson interval, by hand, and against tests drawn again and again."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from harness.results.measures.continual import MEASURES
from harness.results.measures.item_errors import (
    ItemScores,
    paired_error,
    score_error,
    unpaired_error,
)
from harness.results.measures.matrix import ScoreMatrix

ONE_SIGMA = 2 * norm.cdf(1) - 1
NO = None


def scores_of(values, name="i"):
    return ItemScores(tuple(("", f"{name}{n}") for n in range(len(values))), np.asarray(values))


@pytest.mark.parametrize("items", [1, 8, 100])
@pytest.mark.parametrize("right", [0, 1])
def test_a_score_without_spread_has_wilsons_error(items, right):
    wilson = binomtest(right * items, items).proportion_ci(ONE_SIGMA, method="wilson")
    assert score_error(0.0, items) == pytest.approx((wilson.high - wilson.low) / 2)


def test_other_errors_stay():
    assert score_error(0.03, 8) == 0.03
    assert score_error(None, 8) is None
    assert score_error(0.0, None) == 0.0


def test_a_difference_without_discordant_pairs_has_tangos_error():
    """Tango's score statistic of a difference d without discordant pairs among n is
    -n d / sqrt(n (2 q + d (1 - d))), with the constrained estimate q = 0 for d < 0: at -1 it is
    one standard error."""
    n = 8

    def distance(d):
        return n * d / math.sqrt(n * d * (1 - d)) - 1

    end = brentq(distance, 1e-9, 1 - 1e-9)
    kept = scores_of([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    assert paired_error({"end": 1.0, "start": -1.0}, lambda _: kept) == pytest.approx(end)


def test_bwt_is_paired_by_item_within_a_task():
    start, end = np.array([1.0, 1, 1, 0, 1, 0]), np.array([1.0, 0, 1, 0, 0, 1])
    cells = {(1, 0): scores_of(start), (2, 0): scores_of(end)}
    rows = ((NO, NO), (float(start.mean()), NO), (float(end.mean()), 0.5))
    errors = ((NO, NO), (0.2, NO), (0.3, 0.1))
    paired = ScoreMatrix(("a", "b"), rows, errors, items=cells.get)
    change = end - start
    for name in ("bwt", "forgetting"):
        found = MEASURES[name].of(paired)
        assert found.item_error == pytest.approx(change.std(ddof=1) / math.sqrt(6))
        assert abs(found.value) == pytest.approx(abs(change.mean()))
    plain = ScoreMatrix(("a", "b"), rows, errors)
    assert MEASURES["bwt"].of(plain).item_error == pytest.approx(math.hypot(0.2, 0.3))
    cells[2, 0] = scores_of(end, name="other")
    assert MEASURES["bwt"].of(paired).item_error == pytest.approx(math.hypot(0.2, 0.3))


def test_a_task_that_is_visited_again_shares_its_items():
    """The last row scores one model twice on the items of `a`."""
    values = np.array([1.0, 0, 1, 1])
    again = scores_of(values)
    rows = ((NO, NO), (0.75, NO), (0.75, 0.75))
    scores = ScoreMatrix(("a", "a#2"), rows, items=lambda place: again)
    expected = values.std(ddof=1) / math.sqrt(4)
    assert MEASURES["op"].of(scores).item_error == pytest.approx(expected)


def test_the_bound_by_hand():
    assert unpaired_error([(0.5, 0.2), (0.5, 0.4), (-1.0, 0.4)]) == pytest.approx(0.5)
    assert unpaired_error([(0.5, 0.2), (-0.5, None)]) is None


def test_paired_errors_are_the_spread_over_test_sets():
    """Correlated right and wrong answers at two stages, 4000 test sets of 100 items drawn: the mean
    paired variance is that of the change itself, and independence would say more."""
    source, sets, items = np.random.default_rng(1), 4000, 100
    hard = 1.5 * source.standard_normal((sets, items))
    start, end = (
        (mean - hard + source.standard_normal((sets, items)) > 0).astype(float)
        for mean in (0.8, 0.2)
    )
    true = (end.mean(axis=1) - start.mean(axis=1)).var(ddof=1)
    weights = {0: -1.0, 1: 1.0}
    told = np.mean(
        [
            paired_error(weights, [scores_of(a), scores_of(b)].__getitem__) ** 2
            for a, b in zip(start[:400], end[:400], strict=True)
        ]
    )
    # A variance from 4000 sets is known to sqrt(2 / 4000) = 2.2 %.
    assert told == pytest.approx(true, rel=0.1)
    apart = start.var(axis=1, ddof=1).mean() / items + end.var(axis=1, ddof=1).mean() / items
    assert apart > 1.5 * true
