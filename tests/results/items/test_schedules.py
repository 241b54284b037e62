"""What became of items where stages do not come one of the other, where suites share a name, and
where an item has no score: against answers written by hand."""

import json
import math
from pathlib import Path

import pytest
from bench.fabricated import Fabricated, Kind
from support.command import harness, refused

from harness.errors import DataError
from harness.results.items.history import Change, History, history
from harness.results.records import read_record
from harness.store.store import Store

TASKS = (Kind("letters", 20, 1), Kind("words", 20, 9), Kind("numbers", 20, 2))
RUN = "run00000000000000000"
NAN = math.nan
# Scores of four items by stage: at 0, after letters, after words, after numbers.
SCORES = {0: [1, 1, 0, 0], 1: [1, 0, 1, 0], 2: [0, 1, 1, 0], 3: [0, 0, 1, NAN]}


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    made = Fabricated(tmp_path, runs=1, items=4, tasks=TASKS)
    for stage, values in SCORES.items():
        score(made, f"eval000{stage:02d}00", values)
    return made


def score(made: Fabricated, node: str, values: list[float]) -> None:
    place = made.store / "eval" / node.ljust(20, "0") / "predictions.jsonl"
    rows = [json.loads(line) for line in place.read_text().splitlines()]
    for row, value in zip(rows, values, strict=True):
        row["values"] = {"accuracy": value}
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))


def rewrite(made: Fabricated, schedule: str, **cell: object) -> None:
    """Have the run be of a schedule, and the cells of letters be of another kind."""
    place = made.store / "runs" / f"{RUN}.json"
    record = json.loads(place.read_text())
    record["run"]["schedule"] = schedule
    for one in record["cells"]:
        if one["benchmark"] == "letters":
            one |= cell
    place.write_text(json.dumps(record))


def read(made: Fabricated, name: str = "letters") -> History:
    return history(Store(made.store), read_record(made.store / "runs" / f"{RUN}.json"), name)


def change(*counts: int) -> Change:
    right, kept, lost, gained, unknown = counts
    return Change(right, kept, lost, gained, 0, unknown)


def fates(found: History) -> tuple[list[bool], list[bool]]:
    items = range(4)
    return [found.lost(item) for item in items], [found.gained(item) for item in items]


NONE = [False] * 4


def test_an_item_without_a_score_is_neither_right_nor_wrong(made: Fabricated) -> None:
    found = read(made)
    assert [change for _, change in found.changes()][2:] == [
        change(2, 1, 1, 1, 0),
        change(1, 1, 1, 0, 1),
    ]
    assert fates(found) == ([True, False, False, False], NONE)
    assert [s and s.stage for s in map(found.lost_at, range(4))] == [2, 3, None, None]
    done = harness("show", "letters", "3", f"--store={made.store}")
    assert "stage 3 · numbers · not known (strict –)" in done.stdout  # noqa: RUF001


def test_models_of_single_tasks_are_compared_with_the_initial_one(made: Fabricated) -> None:
    rewrite(made, "single")
    found = read(made)
    assert [change for _, change in found.changes()] == [
        change(2, 0, 0, 0, 0),
        change(2, 1, 1, 1, 0),
        change(2, 1, 1, 1, 0),
        change(1, 0, 2, 1, 1),
    ]
    # A task's model is that of its own stage, whatever the models of other tasks make of it.
    assert fates(found) == ([False, True, False, False], [False, False, True, False])
    assert found.lost_at(1) is found.stages[1]
    told = harness("show", "letters", "1", f"--store={made.store}").stdout
    assert "lost at stage 1, by training on letters" in told


def test_a_suite_of_single_tasks_has_no_last_model(made: Fabricated) -> None:
    rewrite(made, "single", suite="general")
    assert read(made).ends is None
    done = harness("show", "letters", f"--store={made.store}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "lost and gained: not defined" in done.stdout
    assert "lost: " not in done.stdout


def test_one_model_of_all_tasks_is_compared_with_the_initial_one(made: Fabricated) -> None:
    place = made.store / "runs" / f"{RUN}.json"
    rewrite(made, "joint")
    record = json.loads(place.read_text())
    record["cells"] = [cell for cell in record["cells"] if cell["stage"] in (0, 3)]
    place.write_text(json.dumps(record))
    found = read(made)
    assert fates(found) == ([True, True, False, False], [False, False, True, False])
    told = harness("show", "letters", "0", f"--store={made.store}").stdout
    assert "lost at stage 3, by training on (all tasks)" in told
    record["cells"] = [cell for cell in record["cells"] if cell["stage"] == 3]
    place.write_text(json.dumps(record))
    assert read(made).ends is None


def test_benchmarks_of_one_name_are_told_apart_by_their_suites(made: Fabricated) -> None:
    place = made.store / "runs" / f"{RUN}.json"
    record = json.loads(place.read_text())
    for cell in record["cells"]:
        if cell["benchmark"] == "words":
            cell |= {"benchmark": "letters", "suite": "general"}
    place.write_text(json.dumps(record))
    with pytest.raises(DataError, match="name one of them: target/letters, general/letters"):
        read(made)
    score(made, "eval0000301", [1, 1, 1, 1])
    own, suite = read(made, "target/letters"), read(made, "general/letters")
    assert [scored.sheet.strict[0] for scored in own.stages] == [1, 1, 0, 0]
    assert suite.stages[-1].sheet.strict.tolist() == [1, 1, 1, 1]
    assert [scored.stage for scored in suite.stages] == [0, 2, 3]
    told = harness("show", f"--store={made.store}").stdout
    assert "| target/letters " in told
    assert "| general/letters " in told
    line = refused("show", "letters", f"--store={made.store}")
    assert "'letters' stands in several suites" in line
