"""A traced cell: its value is the weighted sum of the scores that it lists, and their nodes."""

import re
from pathlib import Path

import pytest
from bench.fabricated import Fabricated, Kind
from support.command import harness, refused
from support.tables import FIRST, SECOND

from harness.results.schema import write_scores


@pytest.fixture
def table(rows, tmp_path: Path) -> str:
    """The option that names a table: two seeds of seq_ft, one of replay|10%."""
    return f"--scores={write_scores(rows, tmp_path / 'scores.csv')}"


def told(*words: str) -> list[str]:
    done = harness("trace", *words)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def parts(lines: list[str]) -> list[tuple[int, str, float, float]]:
    """(stage, benchmark, weight, score) of every listed score."""
    pattern = re.compile(r" +(\d+)  \w+ +(\S+) +([+-]\S+) +(-?[\d.]+)")
    found = (pattern.match(line) for line in lines)
    return [(int(m[1]), m[2], float(m[3]), float(m[4])) for m in found if m]


@pytest.mark.parametrize(
    ("what", "value", "listed"),
    [
        ("OP", 60.0, 2 * 2),
        ("la", 75.0, 2 * 2),
        ("BWT", -30.0, 2 * 2),
        ("forgetting", 30.0, 2 * 2),
        ("Δ general", -10.0, 2 * 2),
        ("delta_m%_x", -10.0, 2 * 2),
        ("a_1", 50.0, 2),
        ("m%_x", 50.0, 2),
    ],
)
def test_a_cell_is_the_sum_of_what_is_listed(
    what: str, value: float, listed: int, table: str
) -> None:
    """The mean over two seeds of the cells of FIRST and SECOND, by hand."""
    lines = told(what, "seq_ft", table)
    assert re.search(rf"of seq_ft: {value}, mean over 2 runs \(", lines[0])
    found = parts(lines)
    assert len(found) == listed
    assert sum(weight * score for _, _, weight, score in found) / 2 == pytest.approx(value)


def test_a_stage_of_a_task(table: str) -> None:
    lines = told("a_1", "seqft-1", table, "--stage", "1")
    assert lines[0] == "a_1 of run seqft-1 (seq_ft): 80.0 (score at stage 1)"
    assert parts(lines) == [(1, "a_1", 1.0, 80.0)]


def test_a_cell_without_a_store(table: str, tmp_path: Path, monkeypatch) -> None:
    done = harness("trace", "OP", "replay|10%", table, cwd=tmp_path)
    assert "record: none in the store" in done.stdout
    assert "predictions: not known, there is no store here" in done.stdout


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("opp", "seq_ft"), "WHAT 'opp': no table of these runs has it; did you mean 'op'?"),
        (("tokens", "seq_ft"), "WHAT 'tokens': nothing is known that these runs trained"),
        (("OP", "seq_f"), "WHOSE 'seq_f': neither a method of this table nor a run; did you mean"),
        (("OP", "seqft-"), "WHOSE 'seqft-': 2 runs begin so: seqft-1, seqft-2"),
        (("a_1", "seq_ft", "--stage", "7"), "WHAT 'a_1': it has no score at stage 7; stages: 1, 2"),
        (("BWT", "seq_ft", "--stage", "1"), "--stage 1: 'BWT' is of a whole run; name a task"),
        (("OP", "seq_ft", "--store", "/nope"), "--store: there is no folder /nope"),
    ],
)
def test_what_is_not_there_is_one_line(words: tuple[str, ...], line: str, table: str) -> None:
    assert f"error: {line}" in refused("trace", *words, table)


def test_a_method_with_several_groups_is_refused(run_rows, tmp_path: Path) -> None:
    rows = [
        *run_rows("a", FIRST, group="g1", settings={"train.learning_rate": 0.1}),
        *run_rows("b", SECOND, group="g2", settings={"train.learning_rate": 0.2}),
        *run_rows("c", SECOND, group="g3", sequence="other"),
    ]
    place = f"--scores={write_scores(rows, tmp_path / 'scores.csv')}"
    line = refused("trace", "OP", "seq_ft", place)
    assert line.startswith(
        "error: WHOSE 'seq_ft': 3 groups of runs are called so; name one of them"
    )
    assert line.endswith(
        ": 'seq_ft (train.learning_rate=0.1)'; 'seq_ft (train.learning_rate=0.2)'; 'seq_ft' of "
        "micro_1 on other, run c"
    )
    label = "seq_ft (train.learning_rate=0.2)"
    assert told("OP", label, place)[0].startswith(f"op of {label}: 70.0")
    assert told("OP", "c", place)[0].startswith("op of run c (seq_ft): 70.0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Fabricated:
    tasks = Kind("letters", 20, 1), Kind("words", 20, 9, "rouge_l")
    return Fabricated(tmp_path_factory.mktemp("made"), runs=2, items=6, tasks=tasks)


def test_the_nodes_behind_a_cell(made: Fabricated) -> None:
    lines = told("OP", "method_0", f"--scores={made.scores}", f"--store={made.store}")
    keys = [f"eval/eval00002{i:02d}".ljust(25, "0") for i in range(2)]
    assert [line.split()[-2] for line in lines if "  target  " in line] == keys
    stages = ", ".join(f"train/train0000{stage}".ljust(26, "0") for stage in (1, 2))
    assert f"stages trained: {stages}" in lines
    for kind in made.tasks:
        folder, sha256 = made.data / kind.name, made.hashes[kind.name]
        assert f"data {folder}: test.json sha256 {sha256[:12]}" in lines
    assert f"predictions: {made.store}/<scored by>/predictions.jsonl" in lines


def test_a_node_that_is_damaged_does_not_hide_the_others(made: Fabricated) -> None:
    (made.store / "eval" / "eval00102000000000000"[:20] / "manifest.json").write_text("{")
    lines = told("OP", "method_1", f"--scores={made.scores}", f"--store={made.store}")
    (damaged, sound) = [line for line in lines if "  target  " in line]
    assert "(not in the store)" in damaged
    assert "eval/eval0010201" in sound
