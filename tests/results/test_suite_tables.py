"""Deltas, net wins and rows of suites in the tables."""

import math

import pytest
from support.tables import FIRST, by_method, groups_of, records

from harness.config.compose.compose import load
from harness.results.build import score_rows
from harness.results.report.tables import main_table, matrix_table, suites_table
from harness.results.report.terminal import main_table_markdown
from harness.results.schema import Scores
from harness.store.work import Cell


def test_a_failed_or_lost_suite_score_makes_a_run_incomplete(rows):
    last = next(row for row in rows if row["suite"] == "general" and row["stage"] == 2)
    last |= {"status": "failed", "value": None}
    assert groups_of(rows)[1].incomplete[0].missing() == [(2, "m%_x")]


def test_without_stage_zero_deltas_are_null(rows):
    kept = [row for row in rows if row["stage"] > 0]
    found = by_method(main_table(groups_of(kept), "d"))["seq_ft"]
    assert (found["delta_general"], found["seeds"]) == ("", "2")


def suite_rows(score_row, run, suite, **benchmarks):
    """Scores of benchmarks at stages 0 and 2: name -> (side, before, after)."""
    return [
        score_row(run=run, suite=suite, benchmark=name, side=side, stage=stage, value=value)
        for name, (side, *values) in benchmarks.items()
        for stage, value in zip((0, 2), values, strict=True)
    ]


def test_refusal_and_compliance_are_two_numbers(run_rows, score_row):
    sided = suite_rows(
        score_row,
        "r1",
        "safety",
        advbench=("harmful", 0.2, 0.9),
        xstest_unsafe=("harmful", 0.4, 0.9),
        xstest_safe=("benign", 0.9, 0.1),
    )
    (found,) = records(main_table(groups_of(run_rows("r1", FIRST) + sided), "d"))
    assert float(found["delta_safety_harmful"]) == pytest.approx(60)
    assert float(found["delta_safety_benign"]) == pytest.approx(-80)
    assert "delta_safety" not in found
    text = main_table_markdown(Scores.of(run_rows("r1", FIRST) + sided))
    assert "Δ refusal" in text
    assert max(map(len, text.splitlines())) <= 120
    # Benchmarks without a side, or of one side only, have the suite's own delta.
    plain = suite_rows(score_row, "r2", "safety", micro=(None, 0.5, 0.4))
    one = suite_rows(score_row, "r2", "safety", advbench=("harmful", 0.5, 0.3))
    (alone,) = records(main_table(groups_of(run_rows("r2", FIRST) + one), "d"))
    assert alone["delta_safety"] == "-20.0"
    both = run_rows("r1", FIRST) + sided + run_rows("r2", FIRST, method="b") + plain
    for row in both:
        row["method"] = {"r1": "a", "r2": "b"}[row["run"]]
    found = by_method(main_table(groups_of(both), "d"))
    assert (found["a"]["delta_safety"], found["b"]["delta_safety_benign"]) == ("", "")
    assert found["b"]["delta_safety"] == "-10.0"


def test_the_safety_suite_names_its_sides():
    benchmarks = load(["suite=[safety]"]).suite["safety"].benchmarks
    sides = {name: item.side for name, item in benchmarks.items() if item.side}
    assert sides == {"advbench": "harmful", "xstest_unsafe": "harmful", "xstest_safe": "benign"}
    cell = Cell(0, None, "safety", "advbench", "k", "refused", "none", "score", 0, "test", "eval",
                side=sides["advbench"])  # fmt: skip
    run = {"tasks": ["a"]}
    score = {"subtask": None, "metric": "refused", "filter": "none", "value": 1.0}
    assert [row["side"] for row in score_rows(run, cell, [score], "m")] == ["harmful"]


def test_suites_table(rows):
    found = by_method(suites_table(groups_of(rows), "d"))["replay|10%"]
    assert (found["suite"], found["benchmark"], found["metric"]) == ("general", "m%_x", "accuracy")
    assert (found["stage_0"], found["stage_T"], found["delta"]) == ("60.0", "70.0", "10.0")


def test_suites_table_corrects_for_chance(rows):
    """A floor of .6 leaves .4 to gain: 10 points are 25 of what can be gained."""
    runs = [row for row in rows if row["method"] == "replay|10%"]
    known = [row | {"floor": 0.6} for row in runs]
    second = [
        row | {"benchmark": "n", "floor": 0.0, "value": row["value"] - 0.05 * row["stage"]}
        for row in runs
        if row["suite"] == "general"
    ]
    found = records(suites_table(groups_of([*known, *second]), "d"))
    assert [row["benchmark"] for row in found] == ["m%_x", "n", "(mean)"]
    assert [row["floor"] for row in found] == ["60.0", "0.0", ""]
    assert [float(row["delta"]) for row in found] == pytest.approx([10.0, 0.0, 5.0])
    assert [float(row["delta_corrected"]) for row in found] == pytest.approx([25.0, 0.0, 12.5])
    error = 100 * math.hypot(0.03, 0.03)
    assert float(found[0]["delta_corrected_spread"]) == pytest.approx(error / 0.4)
    assert by_method(suites_table(groups_of(runs), "d"))["replay|10%"]["delta_corrected"] == ""


@pytest.mark.parametrize(("schedule", "shown"), [("sequential", "-12.5"), ("none", "")])
def test_net_win_is_that_of_a_trained_model(score_row, rows, schedule, shown):
    """Without training the judge compared stage 0 with itself: no column's business."""
    place = {
        "run": "replay-1",
        "method": "replay|10%",
        "schedule": schedule,
        "suite": "instruction",
    }
    judged = {"benchmark": "asked", "metric": "net_win", "unit": "judge_points"}
    wins = [score_row(stage=t, value=v, **place, **judged) for t, v in ((0, 3.5), (2, -12.5))]
    kept = [row | {"schedule": schedule} for row in rows if row["run"] == "replay-1"]
    if schedule == "none":
        kept = [row | {"stage": 0} for row in kept[1:3]]
    found = by_method(main_table(groups_of([*kept, *wins]), "d"))["replay|10%"]
    assert found["net_win_instruction"] == shown


def test_refusal_has_no_chance_to_correct_for(rows):
    sided = [row | {"floor": 0.5, "side": "harmful"} for row in rows]
    found = by_method(suites_table(groups_of(sided), "d"))["replay|10%"]
    assert (found["delta"], found["delta_corrected"]) == ("10.0", "")


def test_a_suite_of_any_name_has_its_columns_and_rows(run_rows, score_row):
    """The known suites come first whatever they are called; the others as the table has them."""
    own = suite_rows(score_row, "r1", "aviation", metar=(None, 0.2, 0.5), taf=(None, 0.4, 0.5))
    rows = run_rows("r1", FIRST) + own
    (found,) = records(main_table(groups_of(rows), "d"))
    assert float(found["delta_aviation"]) == pytest.approx(20)
    deltas = [name for name in found if name.startswith("delta_") and "spread" not in name]
    assert deltas == ["delta_general", "delta_instruction", "delta_safety", "delta_aviation"]
    assert "Δ aviation" in main_table_markdown(Scores.of(rows))
    suites = records(suites_table(groups_of(rows), "d"))
    assert [(row["suite"], row["benchmark"], float(row["delta"])) for row in suites] == [
        ("general", "m%_x", pytest.approx(-10)),
        ("aviation", "metar", pytest.approx(30)),
        ("aviation", "taf", pytest.approx(10)),
        ("aviation", "(mean)", pytest.approx(20)),
    ]
    stages = records(matrix_table(groups_of(rows)[0], "d", "m"))
    assert [row["aviation:metar"] for row in stages] == ["20.0", "", "50.0"]
    lost = [row for row in rows if (row["benchmark"], row["stage"]) != ("taf", 2)]
    assert groups_of(lost)[0].incomplete[0].missing() == [(2, "taf")]


def test_a_judge_s_net_win_of_a_suite_of_any_name(run_rows, score_row):
    judged = {"suite": "aviation", "benchmark": "asked", "metric": "net_win"}
    wins = [
        score_row(run="r1", stage=t, value=v, unit="judge_points", **judged)
        for t, v in ((0, 3.5), (2, -12.5))
    ]
    (found,) = records(main_table(groups_of(run_rows("r1", FIRST) + wins), "d"))
    assert found["net_win_aviation"] == "-12.5"
