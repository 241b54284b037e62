"""The shipped lm-eval tasks of TRACE: what the configuration says, and the scores that we find."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import MICRO_MODEL, REPOSITORY, write_rows

from harness.compose import load
from harness.evaluation.evaluate import Evaluator
from harness.keys import plain
from harness.methods.loading import load_object

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
    function = task.scorer.rpartition(".")[2]
    assert found["process_results"] == f"scoring.{function}"
    scores = load_object(task.scorer, "scorer")({"prompt": "p", "answer": "C"}, "")
    assert [entry["metric"] for entry in found["metric_list"]] == list(scores)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in TASKS:
        rows = [{"prompt": f"Tell {i} about {name}:", "answer": "AB"[i % 2]} for i in range(3)]
        write_rows(tmp_path / "data" / name / "test.json", rows)
    return tmp_path / "data"


def stock(root: Path | None, out: Path, tasks: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "TRACE_ROOT"}
    environment |= {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [
            *(sys.executable, "-m", "lm_eval", "run", "--model", "hf"),
            *("--model_args", f"pretrained={MICRO_MODEL},dtype=float32,max_length=1024"),
            *("--include_path", str(FOLDER), "--tasks", tasks),
            *("--device", "cpu", "--batch_size", "8", "--output_path", str(out)),
        ],
        capture_output=True,
        text=True,
        env=environment | ({"TRACE_ROOT": str(root)} if root else {}),
        check=False,
    )


@pytest.mark.slow
def test_the_stock_command_finds_our_scores(root: Path, tmp_path: Path) -> None:
    done = stock(root, tmp_path, "trace_FOMC,trace_20Minuten,trace_Py150")
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(next(tmp_path.rglob("results_*.json")).read_text())["results"]
    evaluator = Evaluator(load([]), MICRO_MODEL, "cpu")
    for name in ("FOMC", "20Minuten", "Py150"):
        spec = {
            "benchmark": name,
            "data": str(root / name / "test.json"),
            "limit": None,
            "temperature": 0.0,
            "what": plain(TASKS[name]) | {"max_prompt_tokens": 512},
        }
        evaluator.score(spec, tmp_path / name, lambda: None)
        for row in json.loads((tmp_path / name / "scores.json").read_text()):
            theirs = results[f"trace_{name}"][f"{row['metric']},none"]
            assert theirs == pytest.approx(row["value"], abs=1e-12), (name, row["metric"])


def test_without_the_variable_it_is_named(tmp_path: Path) -> None:
    done = stock(None, tmp_path, "trace_FOMC")
    assert done.returncode != 0
    assert "TRACE_ROOT is not set" in done.stderr
