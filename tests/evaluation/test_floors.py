"""Floors against hand-computed values, through lm-eval's own task objects."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.evaluation.floors import floors, task_floors
from harness.evaluation.material import Material, choice_task, store_parts
from harness.evaluation.scores import collect
from harness.evaluation.task_yaml import write_material, write_task
from harness.metrics.sari import sari

SCORERS = "harness.metrics.scorers"


def _load(folder: Path, name: str) -> dict[str, Any]:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(folder), include_defaults=False).load([name])["tasks"]


def _items(task: Any) -> list[dict[str, Any]]:
    return [
        {"doc": doc, "target": task.doc_to_target(doc), "filter": "none"}
        for doc in task.test_docs()
    ]


def _of_answers(tmp_path: Path, scorer: str, answers: list[str]) -> dict[str, float]:
    data = tmp_path / "test.json"
    data.write_text(json.dumps([{"prompt": f"{a} is asked.", "answer": a} for a in answers]))
    write_task(
        tmp_path,
        "blind",
        data,
        {"scorer": f"{SCORERS}.{scorer}", "max_answer_tokens": 4, "version": 1},
    )
    [task] = _load(tmp_path, "blind").values()
    return floors(task, _items(task))


def test_the_majority_class(tmp_path: Path) -> None:
    assert _of_answers(tmp_path, "letter", ["A", "B", "B", "C"])["accuracy"] == 0.5


def test_letters_whose_reasons_all_differ(tmp_path: Path) -> None:
    found = _of_answers(tmp_path, "choice_with_reason", ["A\none", "B\ntwo", "B\nthree", "C\nfour"])
    assert found["accuracy"] == 0.5
    assert found["rouge_l"] == 0.0


def test_an_empty_answer_earns_sari(tmp_path: Path) -> None:
    answers = ["The cat sat.", "Dogs bark.", "It rains today."]
    empty = [sari(f"{answer} is asked.", "", [answer]) for answer in answers]
    found = _of_answers(tmp_path, "simplification", answers)
    assert found["sari"] == pytest.approx(sum(empty) / 3, abs=1e-12)
    assert found["sari"] > 0.3


def test_no_answer_occurs_twice(tmp_path: Path) -> None:
    assert _of_answers(tmp_path, "number", ["1", "22", "333"])["accuracy"] == 0.0


def test_choices_by_position_and_their_macro_mean(tmp_path: Path) -> None:
    """Subtask x: position 1 is right in 2 of 3. y: position 1, or the last where there are fewer,
    in 2 of 2."""
    rows = {
        "x": [(0, "abc"), (1, "abc"), (1, "abc")],
        "y": [(1, "ab"), (1, "abcd")],
    }
    parts = {
        name: [{"prompt": "q", "choices": list(c), "answer": a} for a, c in listed]
        for name, listed in rows.items()
    }
    material = Material(parts, choice_task())
    what = {"max_answer_tokens": 1, "version": 1, "average": "subtasks"}
    write_material(tmp_path, "mc", material, store_parts(material, tmp_path / "rows"), what)
    tasks = _load(tmp_path, "mc")
    samples = {
        name: [item | {"filter": chosen} for chosen in ("none", "other") for item in _items(task)]
        for name, task in tasks.items()
    }
    found = task_floors(tasks, samples)
    assert sorted(values["acc"] for values in found.values()) == [pytest.approx(2 / 3), 1.0]
    results = {
        "results": {name: {"acc,none": 0.5} for name in tasks},
        "samples": {
            name: [
                {**item, "doc_id": i, "acc": 0.5, "filtered_resps": [], "metrics": []}
                for i, item in enumerate(items)
            ]
            for name, items in samples.items()
        },
        "higher_is_better": {name: {"acc": True} for name in tasks},
    }
    whole = collect(results, "mc", floors=found)[0][-1]
    assert (whole["subtask"], whole["floor"]) == (None, pytest.approx((2 / 3 + 1) / 2))


def test_perplexity_has_no_floor() -> None:
    class Rolling:
        OUTPUT_TYPE = "loglikelihood_rolling"

        def higher_is_better(self) -> dict[str, bool]:
            return {"perplexity": False}

        def aggregation(self) -> dict[str, Any]:
            return {}

    assert floors(Rolling(), [{"doc": {}, "target": ""}]) == {}
