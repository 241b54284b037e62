"""In-context learning: training rows before every prompt, T cells at stage 0, nothing trained."""

import json
from pathlib import Path

import pytest
from conftest import refused

from harness.compose import load
from harness.config import PromptingConfig, PromptStyle, TaskConfig
from harness.data.demonstrations import draw_demonstrations, with_demonstrations
from harness.report.schema import read_scores
from harness.run import Outcome, execute

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


@pytest.fixture
def done(tiny_run: list[str]) -> Outcome:
    return execute(load([*tiny_run, "method=icl", "method.prompting.demonstrations=2"]))


@pytest.mark.distributed
def test_cells_and_prompts(done: Outcome, tiny_data: Path, tmp_path: Path) -> None:
    assert (done.trained, done.scored) == (0, 2)
    frame = read_scores(done.table)
    assert set(frame["stage"]) == {0}
    assert set(frame["shots"]) == {2}
    training = {row["prompt"] for row in json.loads((tiny_data / "copy/train.json").read_text())}
    test = json.loads((tiny_data / "copy/test.json").read_text())
    node = next(node for node in done.plan.nodes if node.spec["benchmark"] == "copy")
    asked = json.loads((tmp_path / "store/eval" / node.key / "test.json").read_text())
    for row, original in zip(asked, test, strict=True):
        assert row["prompt"].endswith("\n\n" + original["prompt"])
        assert row["answer"] == original["answer"]
        assert sum(prompt in row["prompt"] for prompt in training) >= 2


def test_demonstrations_that_do_not_fit_are_refused(tiny_run: list[str]) -> None:
    line = refused(*tiny_run, "method=icl", "method.prompting.demonstrations=33")
    assert "method.prompting.demonstrations=33" in line
    assert "the model has 512 positions" in line


def test_demonstrations_need_icl() -> None:
    line = refused("method=seqft", "method.prompting.demonstrations=2")
    assert "only with method=icl" in line
