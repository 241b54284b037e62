"""The error of a difference, against scipy's paired test, by hand, and by simulation."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from simulate_intervals import simulated
from support.places import REPOSITORY

from harness.results.comparing.crossed import holm, interval


def test_one_seed_and_one_task_is_the_paired_test() -> None:
    source = np.random.default_rng(0)
    first, second = source.normal(0.5, 0.2, 50), source.normal(0.4, 0.2, 50)
    found = interval([(first - second)[None]])
    expected = stats.ttest_rel(first, second)
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert found.ends() == pytest.approx(tuple(expected.confidence_interval()))
    assert found.p() == pytest.approx(2 * stats.norm.sf(abs(expected.statistic)), rel=1e-6)


def test_items_without_spread_leave_the_test_over_seeds() -> None:
    sums = np.array([0.1, 0.2, 0.4])
    found = interval([np.repeat(sums[:, None], 8, axis=1)])
    expected = stats.ttest_1samp(sums, 0)
    assert found.error == pytest.approx(sums.std(ddof=1) / math.sqrt(3))
    assert found.freedom == pytest.approx(2)
    assert found.ends() == pytest.approx(tuple(expected.confidence_interval()))
    assert found.p() == pytest.approx(expected.pvalue, rel=1e-6)
    assert found.detectable() == pytest.approx(
        (stats.t.ppf(0.975, 2) + stats.t.ppf(0.8, 2)) * found.error
    )


def test_both_and_their_interaction_by_hand() -> None:
    """d = [[1, 3], [2, 8]]: sums 2 and 5, items 1.5 and 5.5, residuals of 1."""
    found = interval([np.array([[1.0, 3.0], [2.0, 8.0]])])
    of_seeds, of_items, both = 4.5 / 2, 8.0 / 2, 4.0 / 4
    assert found.difference == 3.5
    assert found.error**2 == pytest.approx(of_seeds + of_items - both)
    assert found.of_seeds == pytest.approx(of_seeds / (of_seeds + of_items - both))


def test_a_certain_difference_and_none_at_all() -> None:
    assert interval([np.ones((3, 5))]).p() == 0.0
    assert interval([np.zeros((3, 5))]).p() == 1.0
    assert interval([np.zeros((1, 2))], fixed=0.04).error == pytest.approx(0.2)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """300 tables: within four standard deviations of 95 %."""
    found = simulated(np.random.default_rng(3), items=100, seeds=3, effect=0.0, tables=300)
    assert abs(found["coverage"] - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 300)
    assert found["family_false_alarms"] < 0.05 + 4 * math.sqrt(0.95 * 0.05 / 300)


def test_the_published_simulation_keeps_its_bounds() -> None:
    with Path(REPOSITORY, "results/intervals.csv").open() as stream:
        rows = [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]
    large = [row for row in rows if row["items"] >= 100 and row["seeds"] >= 3]
    assert len(large) == 8
    for row in large:
        assert 0.93 <= row["coverage"] <= 0.97
        if row["truth"] == 0:
            assert row["family_false_alarms"] <= 0.05
