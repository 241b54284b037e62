"""Foreign result files become runs: scored again, complete or refused."""

import json
from pathlib import Path

import pytest
from conftest import harness, refused

from harness.report.runs import load_runs
from harness.report.schema import read_scores

TASKS = ["FOMC", "NumGLUE-cm"]


def result(folder: Path, number: int, index: int, right: int) -> None:
    """A result file of four items, `right` of them correct."""
    content = {
        "eval": {"accuracy": 0.123},
        "prompts": ["p"] * 4,
        "results": ["B"] * right + ["wrong"] * (4 - right),
        "labels": ["B"] * 4,
    }
    folder.mkdir(exist_ok=True)
    (folder / f"results-{number}-{index}-{TASKS[index]}.json").write_text(json.dumps(content))


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    for number, index, right in ((0, 0, 3), (1, 0, 1), (1, 1, 2)):
        result(tmp_path / "predictions", number, index, right)
    return tmp_path / "predictions"


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    named = ["--model", "m", "--method", "theirs"]
    return [*named, "--store", str(tmp_path / "store"), "--results", str(tmp_path / "results")]


def test_results_of_the_reference_code_are_scored_again(
    reference: Path, places: list[str], tmp_path: Path
) -> None:
    for _ in range(2):
        done = harness("import", "trace", str(reference), *places)
        assert done.returncode == 0, done.stderr
        assert "imported 3 cells of stages 1 to 2" in done.stdout
    frame = read_scores(tmp_path / "results" / "scores.csv")
    (run,) = load_runs(frame)
    assert run.matrix.tasks == ("FOMC", "NumGLUE-cm") or list(run.matrix.tasks) == TASKS
    assert [run.matrix.value(cell) for cell in ((1, 0), (2, 0), (2, 1))] == [0.75, 0.25, 0.5]
    assert set(frame["backend"]) == {"imported"}
    assert "accuracy_lenient" in set(frame["metric"])
    told = json.loads(harness("metrics", str(tmp_path / "results/scores.csv"), "--json").stdout)
    assert (told["op"], told["bwt"]) == (0.375, -0.5)


def test_lm_eval_results_join_the_run(reference: Path, places: list[str], tmp_path: Path) -> None:
    assert harness("import", "trace", str(reference), *places).returncode == 0
    for stage, value in ((0, 0.5), (2, 0.25)):
        content = {
            "results": {
                "mmlu": {"acc,none": value, "acc_stderr,none": 0.01, "alias": "mmlu"},
                "mmlu_law": {"acc,none": value, "acc_stderr,none": 0.02},
                "gsm8k": {"exact_match,strict-match": 0.1, "exact_match_stderr,strict-match": 0.0},
            },
            "group_subtasks": {"mmlu": ["mmlu_law"]},
            "n-samples": {"gsm8k": {"original": 9, "effective": 9}},
            "higher_is_better": {"gsm8k": {"exact_match": True}},
        }
        folder = tmp_path / f"lm{stage}" / "model"
        folder.mkdir(parents=True)
        (folder / "results_2026-01-01.json").write_text(json.dumps(content))
        words = ["import", "lm_eval", str(folder.parent), "--stage", str(stage), *places]
        done = harness(*words)
        assert done.returncode == 0, done.stderr
    frame = read_scores(tmp_path / "results" / "scores.csv")
    (run,) = load_runs(frame)
    found = {item.name: run.delta(item).value for item in run.benchmarks}
    assert found == {"mmlu": -0.25, "gsm8k": 0.0}
    assert "mmlu_law" in set(frame["subtask"].dropna())


def test_refusals(reference: Path, places: list[str], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    line = refused("import", "trace", str(empty), *places)
    assert "results-<round>-<index>-<task>.json" in line
    (reference / "results-0-0-FOMC.json").unlink()
    line = refused("import", "trace", str(reference), *places)
    assert "results-0-0-FOMC.json missing; OP and BWT need these cells" in line
    other = tmp_path / "other"
    other.mkdir()
    (other / "results-0-0-FOMK.json").write_text("{}")
    assert "did you mean 'FOMC'?" in refused("import", "trace", str(other), *places)
    (other / "results-0-0-FOMK.json").rename(other / "results-0-0-FOMC.json")
    assert "results-0-0-FOMC.json" in refused("import", "trace", str(other), *places)
    assert "no results_*.json of lm-eval" in refused("import", "lm_eval", str(empty), *places)
    assert not (tmp_path / "results" / "scores.csv").exists()
