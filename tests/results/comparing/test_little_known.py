"""Methods compared where little is known of their items."""

from dataclasses import replace

import numpy as np
import pytest

from harness.results.comparing.compare import compare, comparison_table
from harness.results.comparing.contributions import Items
from harness.results.groups import group_runs
from harness.results.measures.item_errors import ItemScores
from harness.results.runs import load_runs
from harness.results.schema import Scores

KEPT = {(1, "a_1"): 0.9, (2, "a_1"): 0.9, (2, "b"): 0.9}
LOST = {(1, "a_1"): 0.9, (2, "a_1"): 0.1, (2, "b"): 0.9}


class Suites(Items):
    """Items of suites, by stage."""

    def __init__(self, stages):
        super().__init__(None)
        self.stages = stages

    def of(self, run, place):
        return None if place[1] == "target" else self.stages[place[0]]


def groups_of(rows):
    return group_runs(load_runs(Scores.of(rows)))


def test_scores_without_any_error_tell_nothing(run_rows):
    """One seed, no predictions and no standard errors: a difference of 40 points is no evidence."""
    groups = groups_of(
        [*run_rows("a", KEPT, method="replay"), *run_rows("b", LOST, method="seqft")]
    )
    table = comparison_table(compare([groups[0]], groups[1], Items(None)), "digest")
    assert [str(row[4]) for row in table.rows if row[0] == "OP"] == ["–"]  # noqa: RUF001
    assert any(note.startswith("no predictions and no standard errors") for note in table.notes)


def test_what_trains_nothing_is_paired_with_what_does(run_rows):
    """Its change is 0 for every item, by definition: the difference is the other's change."""
    start, end = np.array([1.0, 1, 1, 0, 1]), np.array([1.0, 0, 1, 0, 1])
    stages = {0: ItemScores(tuple(("", str(n)) for n in range(5)), start)}
    stages[2] = replace(stages[0], values=end)
    rows = [
        *run_rows("a", LOST, method="seqft", stderr=0.02),
        *run_rows("b", {(0, "a_1"): 0.5, (0, "b"): 0.5}, method="icl", schedule="none", stderr=0.1),
    ]
    groups = {group.method: group for group in groups_of(rows)}
    rows = compare([groups["icl"]], groups["seqft"], Suites(stages))
    row = {row.measure: row for row in rows}["Δ general"]
    assert row.items == 5
    assert row.found.difference == pytest.approx((start - end).mean())
    assert row.found.error == pytest.approx((start - end).std(ddof=1) / 5**0.5)
