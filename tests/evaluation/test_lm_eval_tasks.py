"""The shipped lm-eval tasks of TRACE: what the configuration says, and the scores that we find."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.asked import asked
from support.places import MICRO_MODEL, REPOSITORY
from support.raw_files import write_rows
from support.stock import lm_eval, results

from harness.config.compose.compose import load
from harness.config.parts import Kind, load_part
from harness.evaluation.evaluator import Evaluator

FOLDER = REPOSITORY / "harness/evaluation/lm_eval_tasks"
TASKS = load(["sequence=trace", "data=trace", "suite=[]", "data.root=x"]).task


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_constructor("!function", lambda loader, node: node.value)


def shipped(name: str) -> dict[str, Any]:
    return yaml.load((FOLDER / f"{name}.yaml").read_text(), Loader=_Loader)


def test_the_group_holds_the_sequence_in_its_order() -> None:
    assert shipped("trace")["task"] == [f"trace_{name}" for name in TASKS]


@pytest.mark.parametrize("name", TASKS)
def test_it_is_the_configured_task(name: str) -> None:
    found, task = shipped(f"trace_{name}"), TASKS[name]
    assert found["dataset_kwargs"] == {"task": task.folder}
    assert found["generation_kwargs"]["max_gen_toks"] == task.max_answer_tokens
    assert found["metadata"]["version"] == task.version
    assert found["process_results"] == f"scoring.{task.scorer}"
    scores = load_part(task.scorer, "scorer", Kind.scorer)({"prompt": "p", "answer": "C"}, "")
    assert [entry["metric"] for entry in found["metric_list"]] == list(scores)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in TASKS:
        rows = [{"prompt": f"Tell {i} about {name}:", "answer": "AB"[i % 2]} for i in range(3)]
        write_rows(tmp_path / "data" / name / "test.json", rows)
    return tmp_path / "data"


@pytest.mark.slow
def test_the_stock_command_finds_our_scores(root: Path, tmp_path: Path) -> None:
    tasks = "trace_FOMC,trace_20Minuten,trace_Py150"
    done = lm_eval(FOLDER, tasks, tmp_path, "--batch_size", "8", TRACE_ROOT=str(root))
    theirs = results(done, tmp_path)
    config = load([])
    evaluator = Evaluator(config, MICRO_MODEL, "cpu")
    for name in ("FOMC", "20Minuten", "Py150"):
        task = replace(TASKS[name], max_prompt_tokens=512)
        data = root / name / "test.json"
        evaluator.score(asked(config, name, task, data), tmp_path / name)
        for row in json.loads((tmp_path / name / "scores.json").read_text()):
            found = theirs[f"trace_{name}"][f"{row['metric']},none"]
            assert found == pytest.approx(row["value"], abs=1e-12), (name, row["metric"])


@pytest.mark.slow
def test_without_the_variable_it_is_named(tmp_path: Path) -> None:
    done = lm_eval(FOLDER, "trace_FOMC", tmp_path, TRACE_ROOT="")
    assert done.returncode != 0
    assert "TRACE_ROOT is not set" in done.stderr
