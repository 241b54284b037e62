"""`harness score`: scores of predictions from elsewhere, and one line for every mistake."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import harness, refused
from support.places import REPOSITORY

from harness.cli.score import main
from harness.errors import HarnessError
from harness.scorers import tasks as scorers

ROWS = {
    "predictions": ["B", "B\nBecause", "C"],
    "answers": ["B", "B", "A"],
}


@pytest.fixture
def write(tmp_path: Path):
    def writing(content: object, name: str = "predictions.json") -> str:
        path = tmp_path / name
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        path.write_bytes(raw)
        return str(path)

    return writing


def scores(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(list(arguments)) == 0
    return json.loads(capsys.readouterr().out)


def test_letters(write) -> None:
    done = harness("score", "--task", "FOMC", write(ROWS))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {
        "task": "FOMC",
        "scorer": "letter",
        "n": 3,
        "headline": "accuracy",
        "accuracy": pytest.approx(1 / 3),
        "accuracy_lenient": pytest.approx(2 / 3),
    }


def test_the_script_reads_standard_input_and_loads_no_torch(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-X", "importtime", REPOSITORY / "scripts/score.py"),
            *("--task", "MeetingBank", "-"),
        ],
        input=json.dumps({"predictions": ["a b c d"], "answers": ["a b c d"]}),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["headline"] == "rouge_l"
    assert found["bleu_4"] == 1.0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "transformers", "lm_eval"}


def test_simplifications_need_prompts(write, capsys) -> None:
    rows = {"predictions": ["b"], "answers": ["a"], "prompts": ["Simplify a b"]}
    found = scores(capsys, "--task", "20Minuten", write(rows))
    expected = scorers.simplification({"prompt": "Simplify a b", "answer": "a"}, "b")
    assert {name: found[name] for name in expected} == expected
    assert found["headline"] == "sari"
    del rows["prompts"]
    told = refused("score", "--task", "20Minuten", write(rows))
    assert "no 'prompts'" in told
    assert "20Minuten compares with the source" in told


def test_result_files_of_the_reference_code(write, capsys) -> None:
    rows = {
        "eval": {"accuracy": 0.5},
        "prompts": ["1 + 1", "2 + 2"],
        "results": ["2", " 4"],
        "labels": ["2", "4"],
    }
    found = scores(capsys, "--task", "NumGLUE-cm", write(rows))
    assert (found["accuracy"], found["accuracy_lenient"], found["n"]) == (0.5, 1.0, 2)


def test_every_item_in_a_file(write, tmp_path: Path, capsys) -> None:
    out = tmp_path / "folder" / "items.json"
    scores(capsys, "--task", "FOMC", write(ROWS), "--item-values", str(out))
    assert json.loads(out.read_text()) == {"accuracy": [1, 0, 0], "accuracy_lenient": [1, 1, 0]}


def test_a_foreign_task_by_its_scorer(write, capsys) -> None:
    found = scores(capsys, "--scorer", "exact", write(ROWS))
    assert (found["task"], found["headline"], found["n"]) == (None, "accuracy", 3)


def test_reasoned_tasks_have_their_own_scorers(write, capsys) -> None:
    rows = {"predictions": ["Rates rise.\nAnswer:B", "B"], "answers": ["B", "B"]}
    found = scores(capsys, "--task", "reasoning/FOMC", write(rows))
    assert (found["accuracy"], found["accuracy_lenient"]) == (0.5, 1.0)


def test_strange_characters_are_scored(write, capsys) -> None:
    texts = ["\ud800 broken", "\x00", "🙂"]
    rows = {"predictions": texts, "answers": texts, "prompts": texts}
    assert scores(capsys, "--task", "FOMC", write(rows))["accuracy"] == 1.0
    for task in ("MeetingBank", "Py150", "ScienceQA", "20Minuten"):
        assert scores(capsys, "--task", task, write(rows))["n"] == 3


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"answers": ["a"]}, ["no 'predictions'"]),
        ({"predictions": ["a"]}, ["no 'answers'"]),
        ({"predictions": ["a", "b"], "answers": ["a"]}, ["2 predictions but 1 answers"]),
        (
            {"predictions": ["a"], "answers": ["a"], "prompts": ["p", "q"]},
            ["1 predictions but 2 prompts"],
        ),
        ({"predictions": ["a", 5], "answers": ["a", "b"]}, ["item 1 of 'predictions' is int"]),
        ({"results": ["a"], "labels": [None]}, ["item 0 of 'labels' is NoneType"]),
        ({"predictions": "a", "answers": "a"}, ["'predictions' is str", "list of strings"]),
        ({"predictions": [], "answers": []}, ["holds no predictions"]),
        (["a"], ["JSON list", '{"predictions"']),
        (b'{"predictions": [', ["not JSON", "line 1"]),
        (b"", ["not JSON"]),
        (b"\xff\xfe", ["not UTF-8"]),
    ],
)
def test_files_that_cannot_be_scored(write, content, parts) -> None:
    path = write(content)
    with pytest.raises(HarnessError) as error:
        main(["--task", "FOMC", path])
    told = str(error.value)
    assert told.startswith(path)
    assert "\n" not in told
    assert all(part in told for part in parts), told


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--task", "FOMC"], "required: FILE"),
        (["FILE"], "--task --scorer is required"),
        (["--task", "FOMC", "--scorer", "a.b", "FILE"], "not allowed with"),
        (["--task", "MeetingBnk", "FILE"], "unknown task 'MeetingBnk'; did you mean 'MeetingBank'"),
        (["--task", "../task/FOMC", "FILE"], "unknown task"),
        (["--scorer", "no.such.scorer", "FILE"], "cannot import 'no.such'"),
        (["--scorer", "lettr", "FILE"], "did you mean 'letter'"),
        (["--scorer", "harness.scorers.tasks.LENIENT", "FILE"], "no function"),
        (["--scorer", "os.path.join", "FILE"], "is no scorer(doc, prediction)"),
        (["--scorer", "builtins.print", "FILE"], "builtins.print, item 0: gives None"),
        (["--scorer", "micro_constraints", "FILE"], "needs 'checks'"),
        (["--task", "FOMC", "missing.json"], "missing.json: no such file"),
        (["--task", "FOMC", "/"], "cannot be read"),
        (["--task", "FOMC", "FILE", "--item-values", "FILE/below.json"], "cannot be written"),
    ],
)
def test_wrong_command_lines(write, arguments, part) -> None:
    path = write(ROWS)
    with pytest.raises(HarnessError) as error:
        main([word.replace("FILE", path) for word in arguments])
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_errors_are_one_line_on_the_command_line(write) -> None:
    told = refused("score", "--task", "Fomc", write(ROWS))
    assert told == "error: --task: unknown task 'Fomc'; did you mean 'FOMC'?"


def test_standard_input_may_start_with_a_byte_order_mark(monkeypatch, capsys) -> None:
    raw = io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf" + json.dumps(ROWS).encode()))
    monkeypatch.setattr(sys, "stdin", raw)
    assert scores(capsys, "--task", "FOMC", "-")["n"] == 3
