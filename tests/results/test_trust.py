"""The trust line: each part says what is known, and `not checked` where nothing is."""

import json
from pathlib import Path

import pytest
from bench.fabricated import Fabricated, Kind
from support.command import harness
from support.tables import FIRST, SECOND, groups_of

from harness.results.groups import group_runs
from harness.results.runs import load_runs
from harness.results.schema import read_scores, write_scores
from harness.results.tracing.sources import ARCHIVE_SHA256, leaked, origin
from harness.results.trust import trust_line
from harness.store.files import file_sha256
from harness.store.store import Store

MATRIX = """method,adapter,zero_stage,ranks,max_diff,status
good,full,0,1,1.5e-06,equal
good,full,1,2,2.5e-06,equal
good,lora,0,1,,refused
bad,full,0,1,1.0e-02,different
"""


def parts(line: str) -> dict[str, str]:
    """Part -> what is said of it."""
    assert line.startswith("Trust. ")
    told = line.removeprefix("Trust. ").removesuffix(".").split(". ")
    return dict(part.split(": ", 1) for part in told)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "equivalence.csv").write_text(MATRIX)
    return tmp_path


def test_what_nobody_knows_is_not_checked(run_rows) -> None:
    found = parts(trust_line(groups_of(run_rows("a", FIRST, method="odd")), None))
    assert found["Equivalence with plain PyTorch"] == "odd not checked"
    for name in ("Data", "Leaks between splits", "Item noise of OP", "Budgets"):
        assert found[name] == "not checked"
    assert found["Stage-0 calibration"].startswith("not checked")
    assert found["Judge"] == "none"
    assert trust_line([], None) == "Trust. Not checked: there is no complete run."


def test_equivalence_is_that_of_the_methods_shown(run_rows, results: Path) -> None:
    rows = [r for name in ("good", "bad", "odd") for r in run_rows(name, SECOND, method=name)]
    told = parts(trust_line(groups_of(rows), None, results))["Equivalence with plain PyTorch"]
    assert told == "good equal (weights differ by at most 2.5e-06), bad DIFFERENT, odd not checked"
    alone = parts(trust_line(groups_of(run_rows("a", SECOND, method="bad")), None, results))
    assert alone["Equivalence with plain PyTorch"] == "bad DIFFERENT"


def test_the_shipped_matrix_counts_where_there_is_no_other(run_rows) -> None:
    rows = run_rows("a", SECOND, method="lora_seqft")
    told = parts(trust_line(groups_of(rows), None))["Equivalence with plain PyTorch"]
    assert told.startswith("lora_seqft equal (weights differ by at most ")


def test_noise_is_the_item_error_of_op(run_rows) -> None:
    """sqrt(2) * 3 / 2 and sqrt(2) * 5 / 2 points."""
    rows = [*run_rows("a", SECOND, stderr=0.03), *run_rows("b", SECOND, method="m", stderr=0.05)]
    assert parts(trust_line(groups_of(rows), None))["Item noise of OP"] == "2.1 to 3.5 points"


def spent(score_row, run: str, steps: int, **more) -> list[dict]:
    about = {"run": run, "suite": "cost", "benchmark": "training", "headline": False, **more}
    return [score_row(**about, metric="optimizer_steps", value=float(steps), unit="steps")]


@pytest.mark.parametrize(
    ("steps", "told"),
    [((80, 80), "matched, steps 80"), ((80, 100), "not matched, steps 80 to 100")],
)
def test_budgets_are_compared(steps, told, run_rows, score_row) -> None:
    rows = [*run_rows("a", SECOND), *run_rows("b", SECOND, method="m")]
    rows += spent(score_row, "a", steps[0]) + spent(score_row, "b", steps[1], method="m")
    assert parts(trust_line(groups_of(rows), None))["Budgets"] == told


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    tasks = Kind("letters", 20, 1), Kind("words", 20, 9, "rouge_l")
    return Fabricated(tmp_path / "made", runs=1, items=6, tasks=tasks)


def line_of(made: Fabricated) -> dict[str, str]:
    origin.cache_clear()
    leaked.cache_clear()
    groups = group_runs(load_runs(read_scores(made.scores)))
    return parts(trust_line(groups, Store(made.store)))


def prepared(made: Fabricated, archive: str | None) -> None:
    """The report that `data` leaves beside what it unpacks."""
    tasks = {name: {"splits": {"test": {"sha256": sha}}} for name, sha in made.hashes.items()}
    report = {"archive_sha256": archive, "tasks": tasks}
    (made.data / "prepared.json").write_text(json.dumps(report))


def test_data_is_compared_with_the_published_archive(made: Fabricated) -> None:
    assert line_of(made)["Data"] == "2 files not checked"
    prepared(made, ARCHIVE_SHA256)
    assert line_of(made)["Data"] == "2 files of the published archive"
    prepared(made, "0" * 64)
    assert line_of(made)["Data"] == "2 files prepared from another archive"
    made.hashes["words"] = "1" * 64
    prepared(made, ARCHIVE_SHA256)
    assert line_of(made)["Data"] == "1 files of the published archive, 1 files not checked"


def test_leaks_are_looked_for_in_the_files_that_were_read(made: Fabricated) -> None:
    tests = json.loads((made.data / "letters" / "test.json").read_text())
    train = made.data / "letters" / "train.json"
    train.write_text(json.dumps([tests[2], {"prompt": "new", "answer": "x"}]))
    _trained_on(made, train)
    assert line_of(made)["Leaks between splits"] == (
        "scored prompts that are in train as well: 1 rows of letters"
    )
    train.write_text(json.dumps([{"prompt": "new", "answer": "x"}]))
    assert line_of(made)["Leaks between splits"] == "not checked"  # another file than was read
    _trained_on(made, train)
    assert line_of(made)["Leaks between splits"] == "none in 1 tasks"


def _trained_on(made: Fabricated, train: Path) -> None:
    part = {"name": "letters", "data": {"path": str(train), "sha256": file_sha256(train)}}
    path = next((made.store / "train").iterdir()) / "manifest.json"
    path.write_text(json.dumps({"parts": [part]}))


def test_it_stands_below_every_table(rows, tmp_path: Path) -> None:
    scores = write_scores(rows, tmp_path / "scores.csv")
    done = harness("tables", f"--scores={scores}", f"--out={tmp_path / 'out'}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\nTrust. Equivalence" in done.stdout
    tables = sorted((tmp_path / "out" / "tables").glob("*.md"))
    assert len(tables) >= 4
    assert all("Trust. Equivalence" in path.read_text() for path in tables)


@pytest.mark.parametrize(
    "damaged",
    [
        MATRIX + "lora_seqft,full,0,1,1.0e-06,eq",  # cut, and no word that is known
        MATRIX + "more,full,0",
        MATRIX + "more,full,0,1,wide,equal\n",
        MATRIX.replace("status", "state"),
        MATRIX + "more,full,0,1,0,equal,and more\n",
        "",
    ],
)
def test_a_matrix_counts_whole_or_not_at_all(damaged: str, run_rows, tmp_path: Path) -> None:
    """Neither what of a damaged file could be read, nor the shipped one in its place."""
    (tmp_path / "equivalence.csv").write_text(damaged)
    rows = [*run_rows("a", SECOND, method="good"), *run_rows("b", SECOND, method="lora_seqft")]
    told = parts(trust_line(groups_of(rows), None, tmp_path))["Equivalence with plain PyTorch"]
    assert told == "not checked (equivalence.csv cannot be read)"


def test_a_judge_is_told_by_its_own_disagreement(score_row, run_rows, tmp_path: Path) -> None:
    """Of 40 and 10 pairs 25 % and 50 % disagree: 15 of 50; the initial model wins 2 points net of
    itself, on its one judged benchmark."""
    judge = {"unit": "judge_points", "suite": "safety", "metric": "net_win", "filter": "none"}
    rows = [
        *run_rows("a", SECOND),
        *(
            score_row(run="a", benchmark="own", stage=stage, value=value, stderr=None, **judge)
            for stage, value in ((0, 2.0), (2, 10.0))
        ),
    ]
    store = Store(tmp_path / "store")
    told = parts(trust_line(groups_of(rows), store))["Judge"]
    assert told == "net win of A/A +2.0 points"
    keys = {"k0": (0.25, 40), "k1": (0.5, 10)}
    for key, (share, pairs) in keys.items():
        row = {"metric": "inconsistency", "unit": "judge_rate", "value": share, "n": pairs}
        row |= {"subtask": None, "filter": "none", "stderr": None, "higher_is_better": False}
        folder = store.path("judge", key)
        folder.mkdir(parents=True)
        (folder / "scores.json").write_text(json.dumps([row]))
    cell = {"trained_task": None, "suite": "safety", "benchmark": "own", "headline": "net_win"}
    cell |= {"filter": "none", "unit": "judge_points", "shots": 0, "split": "test", "kind": "judge"}
    cells = [cell | {"stage": stage, "key": key} for stage, key in enumerate(["k0", "k1", "k1"])]
    run = {"run": "a", "method": "m", "sequence": "s", "seed": 1, "schedule": "sequential"}
    (store.root / "runs").mkdir()
    record = {"run": run | {"tasks": ["a_1", "b"], "settings": {}}, "cells": cells}
    (store.root / "runs" / "a.json").write_text(json.dumps(record))
    told = parts(trust_line(groups_of(rows), store))["Judge"]
    assert told == (
        "its verdict changes with the order of the answers in 30.0% of 50 pairs, net win of A/A "
        "+2.0 points"
    )
    rows = [row for row in rows if (row["suite"], row["stage"]) != ("safety", 0)]
    told = parts(trust_line(groups_of(rows), None))["Judge"]
    assert told == "no A/A"
