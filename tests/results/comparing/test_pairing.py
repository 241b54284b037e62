"""Errors that are paired by item, on a fabricated store."""

import json
from pathlib import Path

import numpy as np
import pytest
from bench.fabricated import Fabricated, Kind
from support.command import harness

from harness.results.comparing.contributions import Items
from harness.results.comparing.pairing import paired_runs
from harness.results.groups import group_runs
from harness.results.report.tables import main_table
from harness.results.runs import load_runs
from harness.results.schema import read_scores, write_scores
from harness.store.store import Store


def bwt(groups):
    table = main_table(groups, "digest")
    at = [heading.name for heading in table.headings].index("bwt")
    return [str(row[at]) for row in table.rows]


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    tasks = (Kind("letters", 40, 1), Kind("words", 90, 60))
    return Fabricated(tmp_path, runs=1, items=40, tasks=tasks)


def strict(made: Fabricated, stage: int, task: int) -> np.ndarray:
    key = f"eval000{stage:02d}{task:02d}".ljust(20, "0")
    lines = (made.store / "eval" / key / "predictions.jsonl").read_text().splitlines()
    return np.array([json.loads(line)["values"]["accuracy"] for line in lines], dtype=float)


def test_the_main_table_pairs_what_the_store_has(made):
    change = strict(made, 2, 0) - strict(made, 1, 0)
    paired = group_runs(paired_runs(load_runs(read_scores(made.scores)), Items(Store(made.store))))
    error = 100 * change.std(ddof=1) / 40**0.5
    assert bwt(paired) == [f"{100 * change.mean():.1f} ± {error:.1f}"]
    plain = group_runs(load_runs(read_scores(made.scores)))
    assert bwt(plain) == [f"{100 * change.mean():.1f} ± {100 * 0.02 * 2**0.5:.1f}"]


def test_predictions_whose_mean_is_another_score_are_left_alone(made):
    place = made.store / "eval" / "eval0000200".ljust(20, "0") / "predictions.jsonl"
    rows = [json.loads(line) for line in place.read_text().splitlines()]
    values = {"values": {"accuracy": 1.0}}
    place.write_text("".join(json.dumps(row | values) + "\n" for row in rows))
    paired = group_runs(paired_runs(load_runs(read_scores(made.scores)), Items(Store(made.store))))
    assert bwt(paired)[0].endswith("± 2.8")


def test_trace_tells_the_error_that_tables_do(made):
    change = strict(made, 2, 0) - strict(made, 1, 0)
    places = ["--scores", str(made.scores), "--store", str(made.store)]
    done = harness("trace", "BWT", "method_0", *places)
    error = 100 * change.std(ddof=1) / 40**0.5
    assert f"bwt of method_0: {100 * change.mean():.1f} ± {error:.1f} (" in done.stdout


def test_eight_of_eight_right_are_not_without_error(made):
    rows = [row | {"value": 1.0, "stderr": 0.0, "n": 8} for row in read_scores(made.scores).rows]
    write_scores(rows, made.scores)
    assert [run.matrix.error((1, 0)) for run in load_runs(read_scores(made.scores))] == [1 / 18]
    places = ["--scores", str(made.scores), "--store", str(made.store)]
    done = harness("trace", "letters", "method_0", *places)
    assert "100.0 ± 5.6" in done.stdout
    assert "± 0.0" not in done.stdout
