"""In-context learning: training rows before every prompt, T cells at stage 0, nothing trained."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.command import harness, refused
from support.places import MICRO_MODEL
from support.raw_files import write_rows

from harness.config import DemonstrationSource, PromptingConfig, PromptStyle, TaskConfig
from harness.config.compose.compose import load
from harness.data.demonstrations import (
    demonstration_split,
    draw_demonstrations,
    put_before,
    with_demonstrations,
)
from harness.evaluation.task_yaml import write_task
from harness.models.loading import load_prompts
from harness.plan.scoring import as_benchmark
from harness.results.schema import read_scores
from harness.run.parent import Outcome, execute
from harness.store.records import Demonstrations
from harness.store.work import EvalWork

TASK = TaskConfig(folder="t", scorer="s", headline="h")


def test_the_draw_is_fixed_and_from_the_rows() -> None:
    rows = [{"prompt": f"p{i}:", "answer": str(i)} for i in range(20)]
    drawn = draw_demonstrations(rows, "t", TASK, PromptingConfig(demonstrations=3))
    assert drawn == draw_demonstrations(rows, "t", TASK, PromptingConfig(demonstrations=3))
    assert drawn != draw_demonstrations(rows, "t", TASK, PromptingConfig(demonstrations=3, seed=1))
    assert all(row in rows for row in drawn)
    assert len(drawn) == 3


def test_the_reference_style_draws_labels_in_equal_numbers() -> None:
    rows = [{"prompt": f"p{i}:", "answer": "AAAAAAAABC"[i % 10]} for i in range(50)]
    trace = PromptingConfig(demonstrations=6, style=PromptStyle.trace)
    answers = [row["answer"] for row in draw_demonstrations(rows, "t", TASK, trace)]
    assert sorted(answers) == ["A", "A", "B", "B", "C", "C"]
    none = TaskConfig(folder="t", scorer="s", headline="h", max_demonstrations=0)
    assert draw_demonstrations(rows, "t", none, trace) == []


def test_the_reference_style_says_the_instruction_once() -> None:
    shown = [{"prompt": "Add.\n1+1=", "answer": "2"}, {"prompt": "Add.\n1+2=", "answer": "3"}]
    text = with_demonstrations("Add.\n2+2=", shown, "Add.\n")
    assert text.startswith("Add.\n")
    assert text.endswith("1+1=2\n\n1+2=3\n\n2+2=")
    assert text.count("Add.") == 1


def test_the_prompt_ends_the_text() -> None:
    shown = [{"prompt": "1+1=", "answer": "2"}, {"prompt": "1+2=", "answer": "3"}]
    assert with_demonstrations("2+2=", shown) == "1+1=2\n\n1+2=3\n\n2+2="


@pytest.mark.parametrize(
    ("task", "prediction", "kept"),
    [
        ("NumGLUE-cm", "5\n\nQuestion: 7", "5"),
        ("NumGLUE-ds", " 5", " 5"),
        ("MeetingBank", "A bill.\nMeeting transcripts: Hello", "A bill.\n"),
        ("ScienceQA", "A\nWhy.\nQuestion:\nWhich?", "A\nWhy.\n"),
        ("Py150", "x = 1 <EOL> y = 2", "x = 1 "),
        ("20Minuten", "Ein Satz.\n\nParagraph:\nText", "Ein Satz.\n\n"),
        ("FOMC", "A dovish", "A dovish"),
    ],
)
def test_what_a_model_goes_on_to_write_is_cut(
    task: str, prediction: str, kept: str, tmp_path: Path
) -> None:
    config = load(["sequence=trace", "data=trace", "suite=[]", "data.root=x"])
    write_rows(tmp_path / "test.json", [{"prompt": "p", "answer": kept}])
    benchmark = as_benchmark(task, replace(config.task[task], scorer="exact"))
    cut = config.task[task].demonstration_end
    write_task(tmp_path, benchmark, tmp_path / "test.json", cut)
    scope: dict = {}
    exec((tmp_path / "scoring.py").read_text(), scope)
    assert scope["process_results"]({"answer": kept}, [prediction])["accuracy"] == 1.0


def test_letters_in_context_are_one_token() -> None:
    tasks = load(["sequence=trace", "data=trace", "suite=[]", "data.root=x"]).task
    assert [name for name, t in tasks.items() if t.first_tokens == 1] == ["C-STANCE", "FOMC"]


def test_reasoning_is_shown_where_there_is_reasoning() -> None:
    config = load(["sequence=trace_rcl", "suite=[]", "data.root=x"])
    leak = PromptingConfig(source=DemonstrationSource.test)
    for task in config.task.values():
        assert demonstration_split(task, leak) is DemonstrationSource.train
        assert task.first_tokens is None
    assert demonstration_split(TASK, leak) is DemonstrationSource.test


def test_rows_share_half_of_the_prompt() -> None:
    """96 tokens for two rows and the question: 96 / 4 = 24 for a row."""
    prompts = load_prompts(load([]).model, MICRO_MODEL)
    words = [f"w{i}" for i in range(200)]
    rows = [{"prompt": f"Do:{' '.join(words)}=", "answer": "yes"} for _ in range(2)]
    head = "Do:"
    limit = 96 + prompts.count(head) + 4
    shown = Demonstrations(rows, head, limit)
    text = put_before(f"{head}{' '.join(reversed(words))}?", shown, prompts)
    announced = prompts.count(with_demonstrations("", [{"prompt": "", "answer": ""}], head))
    assert limit - 6 <= prompts.count(text) - (announced - prompts.count(head)) <= limit + 6
    parts = text.rpartition("Examples:\n")[2].split("\n\n")
    assert len(parts) == 3
    for part in parts[:2]:
        assert part.endswith("w199=yes")
        assert 20 <= prompts.count(part) <= 26
    assert parts[2].endswith("w1 w0?")
    assert put_before("Do:x?", Demonstrations(rows[:1], head), prompts).count("w0") == 1


@pytest.fixture
def done(tiny_run: list[str]) -> Outcome:
    return execute(load([*tiny_run, "method=icl", "method.prompting.demonstrations=2"]))


@pytest.mark.distributed
def test_cells_and_prompts(done: Outcome, tiny_data: Path, tmp_path: Path) -> None:
    assert (done.trained, done.scored) == (0, 2)
    frame = read_scores(done.table).frame()
    assert set(frame["stage"]) == {0}
    assert set(frame["shots"]) == {2}
    training = {row["prompt"] for row in json.loads((tiny_data / "copy/train.json").read_text())}
    test = json.loads((tiny_data / "copy/test.json").read_text())
    node = next(node for node in done.plan.of(EvalWork) if node.benchmark.name == "copy")
    written = (tmp_path / "store/eval" / node.key / "task.yaml").read_text()
    [rows] = re.findall(r"^ +test: (.+)$", written, re.MULTILINE)  # where lm-eval reads them
    asked = json.loads(Path(rows).read_text())
    for row, original in zip(asked, test, strict=True):
        assert row["prompt"].endswith("\n\n" + original["prompt"])
        assert row["answer"] == original["answer"]
        assert sum(prompt in row["prompt"] for prompt in training) >= 2


def test_demonstrations_that_do_not_fit_are_refused(tiny_run: list[str]) -> None:
    line = refused(*tiny_run, "method=icl", "method.prompting.demonstrations=33")
    assert "method.prompting.demonstrations=33" in line
    assert "the model has 512 positions" in line


def test_they_may_be_shortened_instead(tiny_run: list[str]) -> None:
    rules = ["method=icl", "method.prompting.demonstrations=33"]
    done = harness("plan", *tiny_run, *rules, "method.prompting.max_prompt_tokens=400")
    assert done.returncode == 0, done.stderr


def test_demonstrations_need_icl() -> None:
    line = refused("method=seqft", "method.prompting.demonstrations=2")
    assert "only with method=icl" in line
