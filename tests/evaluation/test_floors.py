"""Floors against hand-computed values, through lm-eval's own task objects."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.places import DATA, needs_data

from harness.config import BenchmarkConfig, TaskConfig
from harness.evaluation.floors import floors
from harness.evaluation.material import Material, choice_task, store_parts, text_task
from harness.evaluation.scores import collect
from harness.evaluation.task_yaml import write_material, write_task
from harness.plan.scoring import as_benchmark
from harness.scorers.sari import sari


def _load(folder: Path, name: str) -> dict[str, Any]:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(folder), include_defaults=False).load([name])["tasks"]


def _samples(tasks: dict[str, Any], *filters: str) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [
            {"doc": doc, "target": task.doc_to_target(doc), "filter": chosen}
            for chosen in filters or ("none",)
            for doc in task.test_docs()
        ]
        for name, task in tasks.items()
    }


def _of_answers(
    tmp_path: Path, scorer: str, answers: list[str], filters: tuple[str, ...] = ()
) -> dict[str, float]:
    data = tmp_path / "test.json"
    data.write_text(json.dumps([{"prompt": f"{a} is asked.", "answer": a} for a in answers]))
    task = TaskConfig(folder="", scorer=scorer, headline="", max_answer_tokens=4)
    write_task(tmp_path, as_benchmark("blind", task), data)
    tasks = _load(tmp_path, "blind")
    return floors(tasks, _samples(tasks, *filters))


def _of_choices(
    tmp_path: Path, rows: dict[str, list[tuple[int, str]]], by_items: bool = False
) -> dict[str, float]:
    """Subtask -> its items, each the right position and the letters to choose from."""
    parts = {
        name: [{"prompt": "q", "choices": list(c), "answer": a} for a, c in listed]
        for name, listed in rows.items()
    }
    material = Material(parts, choice_task())
    benchmark = as_benchmark("mc", BenchmarkConfig(headline="", max_answer_tokens=1))
    write_material(tmp_path, benchmark, material, store_parts(material, tmp_path / "rows"))
    tasks = _load(tmp_path, "mc")
    return floors(tasks, _samples(tasks), by_items)


def test_the_majority_class(tmp_path: Path) -> None:
    assert _of_answers(tmp_path, "letter", ["A", "B", "B", "C"])["accuracy"] == 0.5


def test_items_count_once_whatever_the_filters(tmp_path: Path) -> None:
    """Twice the same items, all different, with eleven first characters: none is frequent."""
    answers = [f"{start}." for start in "abcdefghijk"]
    found = _of_answers(tmp_path, "exact", answers, ("strict", "flexible"))
    assert found["accuracy"] == 0.0


def test_letters_whose_reasons_all_differ(tmp_path: Path) -> None:
    answers = ["A\none", "B\ntwo", "B\nthree", "C\nfour"]
    found = _of_answers(tmp_path, "choice_with_reason", answers)
    assert (found["accuracy"], found["rouge_l"]) == (0.5, 0.0)


def test_an_answer_behind_a_cue(tmp_path: Path) -> None:
    """The strict score of reasoned data looks behind "Answer:" alone."""
    assert _of_answers(tmp_path, "reasoned_letter", ["A", "B", "B", "C"])["accuracy"] == 0.5


@needs_data("trace-reasoning")
def test_real_tasks(tmp_path: Path) -> None:
    """The largest class of FOMC in the data whose answers stand behind a cue, counted apart."""
    rows = json.loads((DATA / "trace-reasoning" / "FOMC" / "test.json").read_text())
    answers = [row["answer"] for row in rows]
    share = max(answers.count(answer) for answer in set(answers)) / len(answers)
    assert _of_answers(tmp_path, "reasoned_letter", answers)["accuracy"] == pytest.approx(share)


def test_an_empty_answer_earns_sari(tmp_path: Path) -> None:
    answers = ["The cat sat.", "Dogs bark.", "It rains today."]
    empty = [sari(f"{answer} is asked.", "", [answer]) for answer in answers]
    found = _of_answers(tmp_path, "simplification", answers)
    assert found["sari"] == pytest.approx(sum(empty) / 3, abs=1e-12)
    assert found["sari"] > 0.3


def test_guessing_among_choices(tmp_path: Path) -> None:
    """Different choices: a position means nothing, so guessing it is, 1/2 and 1/4."""
    found = _of_choices(tmp_path, {"": [(1, "ab"), (1, "cdef")]})
    assert found == {"acc": pytest.approx((1 / 2 + 1 / 4) / 2)}


def test_one_choice_throughout_all_subtasks(tmp_path: Path) -> None:
    """b is right in 1 of 1 and 1 of 3, the best of every subtask would be 1 and 2/3."""
    rows = {"x": [(1, "abc")], "y": [(0, "abc"), (0, "abc"), (1, "abc")]}
    assert _of_choices(tmp_path, rows)["acc"] == pytest.approx((1 + 1 / 3) / 2)
    assert _of_choices(tmp_path, rows, by_items=True)["acc"] == pytest.approx(2 / 4)


def test_targets_by_index_and_lists_of_them(tmp_path: Path) -> None:
    """lm-eval's tasks may expect an index into choices, or any of several texts."""
    rows = [{"prompt": "q", "index": i, "texts": t} for i, t in ((1, "no"), (1, "no"), (0, "yes"))]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    shared = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "rows.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    kinds = {
        "by_index": {"doc_to_target": "index", "doc_to_choice": ["yes", "no"]},
        "by_list": {"doc_to_target": "{{[texts]}}"},
    }
    for name, kind in kinds.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"task": name, **shared, **kind}))
        tasks = _load(tmp_path, name)
        assert floors(tasks, _samples(tasks))["exact_match"] == pytest.approx(2 / 3), name


def test_no_expected_text_means_no_floor(tmp_path: Path) -> None:
    """IFEval checks instructions; what a reply earns that heeds none is not known."""
    task = text_task("harness.evaluation.sources.gsm8k.score", ("exact_match",))
    material = Material({"": [{"prompt": "q", "answer": ""}]}, task)
    benchmark = as_benchmark("free", BenchmarkConfig(headline="", max_answer_tokens=1))
    write_material(tmp_path, benchmark, material, store_parts(material, tmp_path / "rows"))
    tasks = _load(tmp_path, "free")
    assert floors(tasks, _samples(tasks)) == {}


class _Odd:
    """A task whose scoring fails, or scores what is no score in 0..1."""

    OUTPUT_TYPE = "generate_until"

    def process_results(self, doc: dict[str, Any], replies: list[str]) -> dict[str, float]:
        if doc["fails"]:
            raise ValueError("cannot score that")
        return {"loss": 0.5, "count": 12.0, "odd": float("nan"), "good": 0.25}

    def higher_is_better(self) -> dict[str, bool]:
        return {"loss": False, "count": True, "odd": True, "good": True}

    def aggregation(self) -> dict[str, Any]:
        return dict.fromkeys(self.higher_is_better(), lambda values: sum(values) / len(values))


def test_only_scores_of_which_more_is_better() -> None:
    items = [{"doc": {"fails": False}, "target": "x", "filter": "none"}]
    assert floors({"odd": _Odd()}, {"odd": items}) == {"good": 0.25}


def test_scoring_that_fails_costs_the_floor_alone(caplog: pytest.LogCaptureFixture) -> None:
    items = [{"doc": {"fails": True}, "target": "x", "filter": "none"}]
    with caplog.at_level(logging.WARNING):
        assert floors({"odd": _Odd()}, {"odd": items}) == {}
    assert "no floor for odd: ValueError: cannot score that" in caplog.text


def test_rows_of_the_whole_benchmark_have_it() -> None:
    sample = {"doc_id": 0, "filter": "none", "target": "x", "filtered_resps": ["x"], "metrics": []}
    results = {
        "results": {"s_a": {"acc,none": 0.5}, "s_b": {"acc,none": 1.0}},
        "samples": {name: [{**sample, "acc": 1.0}] * 2 for name in ("s_a", "s_b")},
        "higher_is_better": {},
    }
    found, _ = collect(results, "s", floors={"acc": 0.25})
    assert [row["floor"] for row in found] == [None, None, 0.25]
