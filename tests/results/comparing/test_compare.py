"""Methods compared on a fabricated store whose answers are rewritten by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from bench.fabricated import Fabricated, Kind
from scipy import stats
from support.command import harness, refused

from harness.results.schema import read_scores, write_scores

TASKS = (Kind("letters", 40, 1), Kind("words", 90, 60))
ITEMS = 40


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return Fabricated(tmp_path, runs=3, items=ITEMS, tasks=TASKS)


def compare(made: Fabricated, *words: str, store: Path | None = None):
    places = ["--scores", str(made.scores), "--store", str(store or made.store)]
    return harness("compare", *words, *places, "--out", str(made.store.parent / "out"))


def strict(made: Fabricated, run: int, stage: int, task: int) -> np.ndarray:
    key = f"eval{run:03d}{stage:02d}{task:02d}".ljust(20, "0")
    lines = (made.store / "eval" / key / "predictions.jsonl").read_text().splitlines()
    return np.array([json.loads(line)["values"]["accuracy"] for line in lines], dtype=float)


def cells(printed: str, measure: str) -> dict[str, list[str]]:
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in printed.splitlines()]
    return {row[1]: row for row in rows if row[:1] == [measure]}


def test_differences_are_paired_by_item(made: Fabricated) -> None:
    done = compare(made, "method_0", "method_2", "method_1")
    assert done.returncode == 0, done.stderr
    row = cells(done.stdout, "OP")["method_0"]
    own, base = ([strict(made, run, 2, task) for task in (0, 1)] for run in (0, 2))
    parts = [(a - b) / 2 for a, b in zip(own, base, strict=True)]
    difference = 100 * sum(part.mean() for part in parts)
    error = 100 * np.sqrt(sum(part.var(ddof=1) / ITEMS for part in parts))
    assert float(row[3]) == pytest.approx(difference, abs=0.06)
    low, high = map(float, row[4].split(" to "))
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 78) * error, abs=0.3)
    assert row[8:] == ["1", "80"]
    assert set(cells(done.stdout, "BWT")) == {"method_0", "method_1"}
    assert "one seed (method_0, method_1): intervals speak of other items" in done.stdout


def test_without_predictions_errors_are_independent(made: Fabricated, tmp_path: Path) -> None:
    done = compare(made, "method_0", "method_2", store=tmp_path / "nowhere")
    row = cells(done.stdout, "OP")["method_0"]
    assert row[8:] == ["1", "0"]
    assert "no predictions are there for OP of method_0" in done.stdout
    low, high = map(float, row[4].split(" to "))
    # Four scores with an error of 0.02, each weighted by a half.
    assert high - low == pytest.approx(2 * 1.96 * 100 * 0.5 * 0.02 * 2, abs=0.3)


def test_other_items_and_other_seeds_are_refused(made: Fabricated) -> None:
    key = "eval0000200".ljust(20, "0")
    place = made.store / "eval" / key / "predictions.jsonl"
    rows = [json.loads(line) for line in place.read_text().splitlines()]
    place.write_text("".join(json.dumps(r | {"item": r["item"] + 1}) + "\n" for r in rows))
    done = compare(made, "method_0", "method_2")
    assert done.returncode == 2
    assert done.stderr.startswith("error: letters: runs ")
    rows = [dict(row) for row in read_scores(made.scores).rows]
    for row in rows:
        row["seed"] = 7 if row["method"] == "method_0" else row["seed"]
    write_scores(rows, made.scores)
    told = refused("compare", "method_0", "method_2", "--scores", str(made.scores))
    assert "have no seed in common: method_0 has 7 and method_2 has 0" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("method_0", "method_0"), "method_0: it is its own baseline"),
        (("method_0", "metod_1"), "no runs of method 'metod_1'; did you mean 'method_1'?"),
    ],
)
def test_what_cannot_be_compared_is_told(
    words: tuple[str, ...], told: str, made: Fabricated
) -> None:
    assert told in refused("compare", *words, "--scores", str(made.scores))
