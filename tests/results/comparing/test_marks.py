"""The comparison's column of the main table, and what it says where little is known."""

from dataclasses import replace

import numpy as np
import pytest

from harness.results.comparing.compare import compare, comparison_table
from harness.results.comparing.marks import marks
from harness.results.groups import group_runs
from harness.results.measures.item_errors import ItemScores
from harness.results.report.tables import main_table
from harness.results.runs import load_runs
from harness.results.schema import Scores

KEPT = {(1, "a_1"): 0.9, (2, "a_1"): 0.9, (2, "b"): 0.9}
LOST = {(1, "a_1"): 0.9, (2, "a_1"): 0.1, (2, "b"): 0.9}


def groups_of(rows):
    return group_runs(load_runs(Scores.of(rows)))


def column(groups, name):
    table = main_table(groups, "digest")
    at = [heading.name for heading in table.headings].index(name)
    return [str(row[at]) for row in table.rows]


def test_a_word_for_every_method(run_rows):
    rows = [
        *run_rows("base", LOST, method="seqft", stderr=0.02),
        *run_rows("same", LOST, method="other", stderr=0.02),
        *run_rows("best", KEPT, method="replay", stderr=0.02),
        *run_rows("seed", KEPT, method="elsewhere", stderr=0.02, seed=9),
        *run_rows("model", KEPT, method="replay", stderr=0.02, model="z"),
    ]
    groups = groups_of(rows)
    told = dict(zip([(g.model, g.method) for g in groups], marks(groups), strict=True))
    assert told == {
        ("micro_1", "seqft"): "baseline",
        ("micro_1", "other"): "n. d.",
        ("micro_1", "replay"): "better",
        ("micro_1", "elsewhere"): "–",  # noqa: RUF001
        ("z", "replay"): "–",  # noqa: RUF001
    }
    assert column(groups, "against_baseline") == [told[g.model, g.method] for g in groups]


def test_no_column_without_a_baseline(run_rows):
    groups = groups_of([*run_rows("a", KEPT, method="x"), *run_rows("b", LOST, method="y")])
    assert marks(groups) is None
    assert "OP vs" not in main_table(groups, "digest").caption


def test_scores_without_any_error_tell_nothing(run_rows):
    """One seed, no predictions and no standard errors: a difference of 40 points is no evidence."""
    groups = groups_of(
        [*run_rows("a", KEPT, method="replay"), *run_rows("b", LOST, method="seqft")]
    )
    assert marks(groups) == ["n. d.", "baseline"]
    table = comparison_table(compare([groups[0]], groups[1]), "digest")
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
    runs = [
        replace(run, benchmarks=tuple(replace(b, items=stages.get) for b in run.benchmarks))
        for run in load_runs(Scores.of(rows))
    ]
    groups = {group.method: group for group in group_runs(runs)}
    row = {row.measure: row for row in compare([groups["icl"]], groups["seqft"])}["Δ general"]
    assert row.items == 5
    assert row.found.difference == pytest.approx((start - end).mean())
    assert row.found.error == pytest.approx((start - end).std(ddof=1) / 5**0.5)
