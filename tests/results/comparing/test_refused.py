"""What is no comparison of methods is refused, or left out, in words."""

import json
from pathlib import Path

import pytest
from bench.fabricated import Fabricated, Kind
from support.command import harness, refused
from support.tables import groups_of

from harness.cli.compare import main
from harness.errors import ConfigError, DataError
from harness.results.comparing.best import mark_level
from harness.results.comparing.compare import compare, comparison_table, left_out
from harness.results.comparing.contributions import Items
from harness.results.report.tables import main_table
from harness.results.runs import load_runs
from harness.results.schema import read_scores, write_scores
from harness.store.store import Store

CELLS = {(1, "a_1"): 0.9, (2, "a_1"): 0.6, (2, "b"): 0.9}
TASKS = (Kind("letters", 40, 1), Kind("words", 90, 60))


def of(run_rows, method, **changes):
    return run_rows(method, CELLS, **({"method": method, "stderr": 0.02} | changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "large"}, "model (large / micro_1)"),
        ({"sequence": "other"}, "sequence (other / micro)"),
        ({"protocol": "paper"}, "protocol (paper / none)"),
        ({"tasks": "a_1|b|c", "schedule": "none"}, "tasks (a_1, b, c / a_1, b)"),
        ({"split": "eval"}, "split (eval / test)"),
        ({"data": "other"}, "data (other / unknown)"),
    ],
)
def test_methods_in_two_settings_are_not_compared(run_rows, changes, told) -> None:
    cells = CELLS
    if "tasks" in changes:
        cells = {(0, "a_1"): 0.9, (0, "b"): 0.5, (0, "c"): 0.5}
    rows = [
        *run_rows("x", cells, method="x", stderr=0.02, **changes),
        *of(run_rows, "base"),
    ]
    groups = {group.method: group for group in groups_of(rows)}
    with pytest.raises(DataError) as found:
        compare([groups["x"]], groups["base"], Items(None))
    assert f"x and base differ in {told}; compare methods that share all of these" == str(
        found.value
    )
    table = mark_level(main_table([*groups.values()], "d"), [*groups.values()], Items(None))
    assert not any("not distinguishable" in note for note in table.notes)


def test_a_method_that_was_run_in_two_ways_is_asked_for_which(run_rows, tmp_path: Path) -> None:
    ratios = ({"method.replay.ratio": 0.1}, {"method.replay.ratio": 0.05})
    ways = [
        row
        for number, ratio in enumerate(ratios)
        for row in run_rows(f"x{number}", CELLS, method="x", stderr=0.02, settings=ratio)
    ]
    file = tmp_path / "scores.csv"
    write_scores([*ways, *of(run_rows, "base")], file)
    with pytest.raises(ConfigError) as found:
        main(["x", "base", "--scores", str(file), "--out", str(tmp_path)])
    assert str(found.value) == (
        "x was run with several settings: 'x (method.replay.ratio=0.05)', "
        "'x (method.replay.ratio=0.1)'; name one of these"
    )


def test_runs_without_a_seed_are_no_pair(run_rows) -> None:
    rows = [*of(run_rows, "x", seed=None), *of(run_rows, "base", seed=None)]
    own, base = groups_of(rows)
    with pytest.raises(DataError, match="no seed in common: base has none and x has none"):
        compare([own], base, Items(None))


def test_a_suite_of_other_benchmarks_is_left_out(run_rows, score_row) -> None:
    """Its mean would be over other benchmarks."""
    rows = [*of(run_rows, "x"), *of(run_rows, "base")]
    for stage, value in ((0, 0.9), (2, 0.1)):
        place = {"stage": stage, "suite": "general", "benchmark": "more", "value": value}
        rows.append(score_row(run="base", method="base", stderr=0.02, **place))
    base, own = groups_of(rows)
    found = compare([own], base, Items(None))
    assert {row.measure for row in found} == {"OP", "LA", "BWT"}
    notes = left_out(found, [own], base)
    assert notes[0].startswith("not compared: Δ general of x: not defined there or for base, or of")
    assert comparison_table(found, "d", notes).notes[-1] == notes[0]
    assert left_out(found, [], base) == []


def test_the_sides_of_a_suite_are_compared_one_by_one(run_rows, score_row) -> None:
    """A model that refuses everything is better at one and worse at the other."""
    rows = []
    for method, change in (("x", 0.4), ("base", 0.0)):
        rows += of(run_rows, method)
        for side, sign in (("harmful", 1), ("benign", -1)):
            for stage in (0, 2):
                place = {"suite": "safety", "benchmark": side, "side": side, "stage": stage}
                value = 0.5 + sign * change * (stage > 0)
                about = {"run": method, "method": method, "stderr": 0.02, "value": value}
                rows.append(score_row(**place, **about))
    base, own = groups_of(rows)
    found = {row.measure: row.found.difference for row in compare([own], base, Items(None))}
    assert found["Δ refusal"] == pytest.approx(0.4)
    assert found["Δ compliance"] == pytest.approx(-0.4)
    assert "Δ safety" not in found


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return Fabricated(tmp_path, runs=2, items=40, tasks=TASKS)


def rewrite(made: Fabricated, key: str, change) -> None:
    """Other lines of predictions in the place of a node's."""
    place = made.store / "eval" / key.ljust(20, "0") / "predictions.jsonl"
    rows = [json.loads(line) for line in place.read_text().splitlines()]
    place.write_text("".join(json.dumps(change(n, row)) + "\n" for n, row in enumerate(rows)))


def places(made: Fabricated) -> list[str]:
    out = str(made.store.parent / "out")
    return ["--scores", str(made.scores), "--store", str(made.store), "--out", out]


@pytest.mark.parametrize("what", ["target", "asked"])
def test_another_test_set_of_equal_size_is_refused(made: Fabricated, what: str) -> None:
    rewrite(made, "eval0000200", lambda n, row: row | {what: f"other {n}"})
    told = refused("compare", "method_0", "method_1", *places(made))
    assert told.startswith("error: letters: runs ")
    assert "were scored on other items than each other" in told


def test_a_score_that_is_not_known_is_not_wrong(made: Fabricated) -> None:
    """An item without a score leaves its benchmark to the errors of its scores."""
    values = {"values": {"accuracy": float("nan")}}
    rewrite(made, "eval0000200", lambda n, row: row | (values if n == 3 else {}))
    done = harness("compare", "method_0", "method_1", *places(made))
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    found = {row[0]: row[-1] for row in rows if len(row) > 5}
    assert found["OP"] == "40"  # of the other task
    assert found["LA"] == "80"


def test_a_protocol_is_chosen_where_a_file_holds_several(made: Fabricated) -> None:
    rows = [dict(row) for row in read_scores(made.scores).rows]
    other = {"run": "other", "group": "other", "protocol": "paper"}
    targets = [row | other for row in rows if row["method"] == "method_1"]
    write_scores([*rows, *targets], made.scores)
    told = refused("compare", "method_0", "method_1", *places(made))
    assert "method_1 has several groups of runs: " in told
    assert told.rstrip().endswith("choose by --protocol")
    words = ["compare", "method_0", "method_1", *places(made), "--protocol"]
    assert harness(*words, "default").returncode == 0
    assert "no runs of method 'method_0'" in refused(*words, "paper")


def test_benchmarks_of_one_name_in_two_suites_are_two(made: Fabricated) -> None:
    """A name stands in both, and each has the items of its own node."""
    scores = read_scores(made.scores).rows
    stages = {
        suite: [row for row in scores if (row["method"], row["benchmark"]) == ("method_0", task)]
        for suite, task in (("general", "letters"), ("safety", "words"))
    }
    cells, rows = [], [dict(row) for row in scores]
    for suite, found in stages.items():
        ends = {row["stage"]: row for row in found if row["stage"] in (0, 2)}
        for stage, row in ends.items():
            place = {"suite": suite, "benchmark": "both", "stage": stage}
            rows.append(row | place)
            cell = {"key": row["eval_key"], "filter": "none", "headline": "accuracy"}
            place |= {"trained_task": None, "shots": 0, "split": "test", "unit": "score"}
            cells.append({**place, **cell})
    write_scores(rows, made.scores)
    (record,) = made.store.glob("runs/run*0.json")
    told = json.loads(record.read_text())
    record.write_text(json.dumps(told | {"cells": [*told["cells"], *cells]}))
    run = next(run for run in load_runs(read_scores(made.scores)) if run.method == "method_0")
    items = Items(Store(made.store))
    for suite, task in (("general", "letters"), ("safety", "words")):
        own, known = items.of(run, (2, suite, "both")), items.of(run, (2, "target", task))
        assert own is not None
        assert own.ids == known.ids
        assert own.values.tolist() == known.values.tolist()
