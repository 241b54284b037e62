"""The error of a difference, against scipy's paired test and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.results.comparing.crossed import interval


def test_one_seed_and_one_task_is_the_paired_test() -> None:
    source = np.random.default_rng(0)
    first, second = source.normal(0.5, 0.2, 50), source.normal(0.4, 0.2, 50)
    found = interval([(first - second)[None]])
    expected = stats.ttest_rel(first, second)
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert found.ends() == pytest.approx(tuple(expected.confidence_interval()))
    # Few items: the test is Student's as well, and not one of the normal distribution.
    assert found.p() == pytest.approx(expected.pvalue, rel=1e-6)


def test_items_without_spread_leave_the_test_over_seeds() -> None:
    sums = np.array([0.1, 0.2, 0.4])
    found = interval([np.repeat(sums[:, None], 8, axis=1)])
    expected = stats.ttest_1samp(sums, 0)
    assert found.error == pytest.approx(sums.std(ddof=1) / math.sqrt(3))
    assert found.ends() == pytest.approx(tuple(expected.confidence_interval()))
    assert found.p() == pytest.approx(expected.pvalue, rel=1e-6)


def test_both_and_their_interaction_by_hand() -> None:
    """d = [[1, 3], [2, 8]]: sums 2 and 5, items 1.5 and 5.5, residuals of 1."""
    found = interval([np.array([[1.0, 3.0], [2.0, 8.0]])])
    of_seeds, of_items, both = 4.5 / 2, 8.0 / 2, 4.0 / 4
    assert found.difference == 3.5
    assert found.error**2 == pytest.approx(of_seeds + of_items - both)
    assert found.shares == (
        pytest.approx((of_seeds / (of_seeds + of_items - both), 1)),
        pytest.approx(((of_items - both) / (of_seeds + of_items - both), 1)),
    )


def test_items_that_differ_by_less_than_chance_add_nothing() -> None:
    """d = [[0, 2], [3, 1]]: sums 1 and 2, items 1.5 and 1.5, residuals of 1."""
    assert interval([np.array([[0.0, 2.0], [3.0, 1.0]])]).error ** 2 == pytest.approx(0.5 / 2)


def test_tasks_add_up_and_their_items_have_degrees_of_freedom_after_satterthwaite() -> None:
    source = np.random.default_rng(1)
    tables = [source.normal(0, scale, (1, n)) for scale, n in ((1, 6), (3, 11))]
    first, second = (table.var(ddof=1) / table.size for table in tables)
    found = interval(tables, fixed=0.5)
    assert found.error**2 == pytest.approx(first + second + 0.5)
    freedom = (first + second + 0.5) ** 2 / (first**2 / 5 + second**2 / 10)
    assert found.shares == (pytest.approx((1.0, freedom)),)


def test_several_tables_at_once_are_the_same_as_one_by_one() -> None:
    many = np.random.default_rng(2).normal(0, 1, (4, 3, 20))
    found = interval([many, many**2])
    ones = [interval([one, one**2]) for one in many]
    assert found.p() == pytest.approx([one.p() for one in ones])
    assert found.error == pytest.approx([one.error for one in ones])


def test_a_certain_difference_and_none_at_all() -> None:
    assert interval([np.ones((3, 5))]).p() < 1e-8
    assert interval([np.zeros((3, 5))]).p() == 1.0
    assert interval([np.zeros((1, 2))], fixed=0.04).error == pytest.approx(0.2)
