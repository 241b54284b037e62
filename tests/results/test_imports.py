"""Foreign result files become runs: scored again, complete or refused."""

import json
from pathlib import Path

import pytest
from support.command import harness, refused

from harness.results.runs import load_runs
from harness.results.schema import read_scores

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
    scores = read_scores(tmp_path / "results" / "scores.csv")
    frame = scores.frame()
    (run,) = load_runs(scores)
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
    scores = read_scores(tmp_path / "results" / "scores.csv")
    frame = scores.frame()
    (run,) = load_runs(scores)
    found = {item.name: run.delta(item).value for item in run.benchmarks}
    assert found == {"mmlu": -0.25, "gsm8k": 0.0}
    assert "mmlu_law" in set(frame["subtask"].dropna())


def in_context(folder: Path, task: str, prediction: str = "B", label: str = "B") -> None:
    """The file of one task in context, with two items."""
    content = {"prompts": ["p"] * 2, "results": [prediction] * 2, "labels": [label] * 2}
    (folder / task).mkdir(parents=True)
    (folder / task / f"results-{task}.json").write_text(json.dumps(content))


def test_tasks_in_context_come_in_the_order_of_the_benchmark(
    places: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "icl"
    order = ["C-STANCE", "FOMC", "NumGLUE-cm", "NumGLUE-ds", "20Minuten"]
    for task in order:
        in_context(folder, task)
    done = harness("import", "trace", str(folder), *places)
    assert done.returncode == 0, done.stderr
    (run,) = load_runs(read_scores(tmp_path / "results" / "scores.csv"))
    assert list(run.matrix.tasks) == order
    assert (run.matrix.schedule, run.missing()) == ("none", [])
    in_context(folder / "again", "FOMC")
    assert "the task is there twice" in refused("import", "trace", str(folder), *places)


def test_answers_with_reasoning_are_scored_by_their_answer(
    places: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "rcl"
    in_context(folder, "FOMC", "Rates will rise.\nAnswer:B", "B")
    found = []
    for words in ([], ["--reasoning"]):
        assert harness("import", "trace", str(folder), *places, *words).returncode == 0
        runs = load_runs(read_scores(tmp_path / "results" / "scores.csv"))
        found.append({run.sequence: run.matrix.value((0, 0)) for run in runs})
    assert found == [{"trace": 0.0}, {"trace": 0.0, "trace_rcl": 1.0}]


def lm_eval_file(folder: Path, name: str = "results_2026-01-01.json", **content: object) -> Path:
    """A results file of lm-eval in a model's folder; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder


def test_a_metric_on_another_scale_is_no_score(
    reference: Path, places: list[str], tmp_path: Path
) -> None:
    assert harness("import", "trace", str(reference), *places).returncode == 0
    words = {"word_perplexity,none": 8.1, "bits_per_byte,none": 0.7, "strange,none": 3.0}
    folder = lm_eval_file(
        tmp_path / "wiki",
        results={"wikitext": words, "piqa": {"acc,none": 0.8}},
        higher_is_better={"wikitext": {"word_perplexity": False}},
    )
    done = harness("import", "lm_eval", str(folder), *places)
    assert done.returncode == 0, done.stderr
    scores = read_scores(tmp_path / "results" / "scores.csv")
    frame = scores.frame()
    found = frame[frame["suite"] == "general"].set_index("metric")["unit"].to_dict()
    assert found == {
        "word_perplexity": "word_perplexity",
        "bits_per_byte": "bits_per_byte",
        "strange": "strange",
        "acc": "score",
    }
    (run,) = load_runs(scores)
    assert [item.name for item in run.benchmarks] == ["piqa"]


def test_what_is_refused_leaves_store_and_table_as_they_were(
    reference: Path, places: list[str], tmp_path: Path
) -> None:
    assert harness("import", "trace", str(reference), *places).returncode == 0
    table = tmp_path / "results" / "scores.csv"
    nodes, before = sorted((tmp_path / "store").rglob("*.json")), table.read_bytes()
    wrong = {
        "nan": {"results": {"x": {"acc,none": float("nan")}}},
        "n": {"results": {"x": {"acc,none": 0.5}}, "n-samples": {"x": {"effective": "few"}}},
        "empty": {"results": {}},
    }
    for name, content in wrong.items():
        folder = lm_eval_file(tmp_path / name, **content)
        refused("import", "lm_eval", str(folder), *places)
    good = str(lm_eval_file(tmp_path / "good", results={"x": {"acc,none": 0.5}}))
    line = refused("import", "lm_eval", good, *places, "--stage", "3")
    assert "--stage 3: a run of 2 tasks has stages 0..2" in line
    line = refused("import", "lm_eval", good, *places, "--sequence", "mine")
    assert "--sequence mine: its tasks are not known" in line
    other = tmp_path / "other"
    in_context(other, "FOMC")
    (other / "FOMC" / "results-FOMC.json").rename(other / "results-0-0-FOMC.json")
    assert "has the tasks FOMC, NumGLUE-cm" in refused("import", "trace", str(other), *places)
    assert sorted((tmp_path / "store").rglob("*.json")) == nodes
    assert table.read_bytes() == before
    # Suites may come before the tasks: the sequence names those.
    assert harness("import", "lm_eval", good, *places, "--seed", "7").returncode == 0
    assert set(read_scores(table).frame()["tasks"]) == {
        "FOMC|NumGLUE-cm",
        "C-STANCE|FOMC|MeetingBank|Py150|ScienceQA|NumGLUE-cm|NumGLUE-ds|20Minuten",
    }


def test_the_newest_results_of_one_model(places: list[str], tmp_path: Path) -> None:
    for name, value in (("results_2025-06-01.json", 0.9), ("results_2024-06-01.json", 0.1)):
        lm_eval_file(tmp_path / "lm" / "a", name, results={"piqa": {"acc,none": value}})
    done = harness("import", "lm_eval", str(tmp_path / "lm"), *places)
    assert done.returncode == 0, done.stderr
    assert read_scores(tmp_path / "results" / "scores.csv").frame()["value"].tolist() == [0.9]
    lm_eval_file(tmp_path / "lm" / "z", results={"piqa": {"acc,none": 0.2}})
    line = refused("import", "lm_eval", str(tmp_path / "lm"), *places)
    assert "results of several models" in line
    assert str(tmp_path / "lm" / "z") in line


def test_groups_within_groups_are_averaged_over_their_tasks(
    places: list[str], tmp_path: Path
) -> None:
    def task(value: float) -> dict[str, object]:
        return {"alias": "x", "acc,none": value, "acc_stderr,none": 0.03}

    folder = lm_eval_file(
        tmp_path / "lm",
        results={
            "mmlu": task(0.9),  # lm-eval's own mean, by size
            "mmlu_stem": task(0.3),
            "mmlu_physics": task(0.2),
            "mmlu_algebra": task(0.4),
            "mmlu_other": task(0.9),
            "mmlu_law": task(0.9),
            "tag": {"alias": "tag"},
            "piqa": task(0.7),
        },
        group_subtasks={
            "mmlu": ["mmlu_stem", "mmlu_other"],
            "mmlu_stem": ["mmlu_physics", "mmlu_algebra"],
            "mmlu_other": ["mmlu_law"],
            "tag": ["piqa"],
        },
        **{
            "n-samples": {
                name: {"effective": size}
                for name, size in (("mmlu_physics", 10), ("mmlu_algebra", 10), ("mmlu_law", 900))
            },
            "n-shot": {"mmlu_physics": 5, "mmlu_algebra": 5, "mmlu_law": 5, "piqa": 0},
        },
    )
    done = harness("import", "lm_eval", str(folder), *places)
    assert done.returncode == 0, done.stderr
    frame = read_scores(tmp_path / "results" / "scores.csv").frame()
    mmlu = frame[frame["benchmark"] == "mmlu"]
    assert set(mmlu["subtask"].dropna()) == {"mmlu_physics", "mmlu_algebra", "mmlu_law"}
    (whole,) = mmlu[mmlu["subtask"].isna()].to_dict("records")
    assert whole["value"] == pytest.approx((0.2 + 0.4 + 0.9) / 3)
    assert whole["stderr"] == pytest.approx(0.03 / 3**0.5)
    assert (whole["n"], whole["shots"], whole["headline"]) == (920, 5, True)
    assert set(frame["benchmark"]) == {"mmlu", "piqa"}


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
