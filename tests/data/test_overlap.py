"""Repeats, leaks and majorities, against sets counted by hand and the published facts."""

import json
from pathlib import Path

import pytest
from support.command import refused
from support.places import DATA, needs_data
from support.raw_files import write_rows

from harness.data.overlap import (
    distinct_prompts,
    majority,
    same_rows,
    selects_on_test,
    shared_prompts,
)


def rows(prompts: str, answers: str | None = None) -> list[dict[str, str]]:
    """One row a letter: the letter is the prompt."""
    return [
        {"prompt": prompt, "answer": answer}
        for prompt, answer in zip(prompts, answers or prompts, strict=True)
    ]


def test_counts() -> None:
    assert distinct_prompts(rows("aabc")) == 3
    shared = shared_prompts(rows("aab"), rows("baax"))
    assert (shared.prompts, shared.rows) == (2, 3)
    assert shared_prompts(rows("ab"), rows("cd")).prompts == 0


@pytest.mark.parametrize(
    ("evaluation", "test", "same", "leaks"),
    [
        ("abc", "cab", True, True),
        ("ab", "abc", False, True),
        ("aab", "ab", False, True),
        ("abd", "abc", False, False),
        ("abc", "xyz", False, False),
    ],
)
def test_eval_against_test(evaluation: str, test: str, same: bool, leaks: bool) -> None:
    assert same_rows(rows(evaluation), rows(test)) is same
    assert selects_on_test(rows(evaluation), rows(test)) is leaks


def test_other_answers_are_other_rows_of_the_same_prompts() -> None:
    assert not same_rows(rows("ab", "11"), rows("ab", "12"))
    assert selects_on_test(rows("ab", "11"), rows("ab", "12"))


def test_majority_takes_the_letter_before_a_reason() -> None:
    answers = ["A\nBecause.", "B\nSo.", "A\nElse.", "C"]
    most = majority([{"prompt": "q", "answer": answer} for answer in answers])
    assert (most.answer, most.share) == ("A", 0.5)
    most = majority([{"prompt": "q", "answer": answer} for answer in ("12", "7", "12")])
    assert (most.answer, round(most.share, 3)) == ("12", 0.667)


@needs_data("trace-reasoning")
def test_published_facts_of_the_policy_task() -> None:
    """245 of the 496 test answers are C (49.4 %), 54 test prompts are in the reasoning train."""

    def read(name: str) -> list[dict[str, str]]:
        path = DATA / "trace-reasoning" / "FOMC" / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))

    most = majority(read("test"))
    assert (most.answer, round(most.share, 3)) == ("C", 0.494)
    assert shared_prompts(read("train"), read("test")).prompts == 54


def _with_eval(tiny_data: Path, root: Path, evaluation: list[dict]) -> None:
    for task in ("copy", "count"):
        for split in ("train", "test", "eval"):
            content = json.loads((tiny_data / task / f"{split}.json").read_text())
            chosen = evaluation if (task, split) == ("count", "eval") else content
            write_rows(root / task / f"{split}.json", chosen)


def test_selecting_on_test_is_refused_by_name(
    tiny_data: Path, tiny_run: list[str], tmp_path: Path
) -> None:
    test = json.loads((tiny_data / "count" / "test.json").read_text())
    _with_eval(tiny_data, tmp_path / "data", test[::-1])
    choose = [*tiny_run, f"data.root={tmp_path / 'data'}", "eval.split=eval"]
    line = refused(*choose)
    assert "task 'count'" in line
    assert "eval.allow_eval_equals_test=true" in line
    assert not (tmp_path / "store").exists()


def test_selecting_on_test_by_permission_and_on_a_clean_eval(
    tiny_data: Path, tiny_run: list[str], tmp_path: Path
) -> None:
    from harness.config.compose.compose import load
    from harness.plan.checks.run import validate

    test = json.loads((tiny_data / "count" / "test.json").read_text())
    _with_eval(tiny_data, tmp_path / "data", test)
    equal = [*tiny_run, f"data.root={tmp_path / 'data'}"]
    validate(load(equal))  # the test split is scored: nothing is chosen
    validate(load([*equal, "eval.split=eval", "eval.allow_eval_equals_test=true"]))
    validate(load([*tiny_run, "eval.split=eval"]))
