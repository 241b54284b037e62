"""Readers' material as lm-eval tasks: scores, errors, predictions, and the stock command line."""

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from support.asked import asked
from support.command import refused
from support.places import MICRO_MODEL
from support.raw_files import write_boolq, write_mmlu, write_text, write_xstest
from support.stock import lm_eval, results

from harness.config import BenchmarkConfig
from harness.config.choices import Average
from harness.config.compose.compose import load
from harness.errors import ConfigError, DataError
from harness.evaluation.amounts import measure
from harness.evaluation.evaluator import Evaluator
from harness.evaluation.material import source_folder, store_copy, store_parts
from harness.evaluation.scores import collect
from harness.evaluation.sources import boolq, mmlu
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes
from harness.store.work import EvalWork

STORY = "The council met on day {} and"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nodes of a group by likelihood, a task and a group by generation, with the micro model."""
    root = tmp_path_factory.mktemp("suites")
    os.environ["HF_DATASETS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    config = load([f"store.root={root / 'store'}"])
    evaluator = Evaluator(config, MICRO_MODEL, "cpu")
    write_mmlu(root / "mmlu", {"anatomy": 3, "high_school_physics": 5, "law": 2})
    prompts = [{"prompt": STORY.format(i), "answer": ""} for i in range(5)]
    write_text(root / "lima" / "test.json", json.dumps(prompts))
    write_xstest(root / "xstest")
    for name, source, headline, settings in (
        ("mmlu", "mmlu", "acc", {"shots": 2, "max_prompt_tokens": None}),
        ("lima", "open_ended", "words", {"max_answer_tokens": 12, "unit": "words"}),
        ("xstest", "xstest_safe", "complied", {"max_answer_tokens": 12, "average": Average.items}),
    ):
        benchmark = BenchmarkConfig(folder=name, source=source, headline=headline, **settings)
        evaluator.score(asked(config, name, benchmark, root / name, 4), root / "nodes" / name)
    return root / "nodes"


def rows(node: Path) -> list[dict[str, Any]]:
    return json.loads((node / "scores.json").read_text())


def row(node: Path, subtask: str | None, metric: str) -> dict[str, Any]:
    [found] = [r for r in rows(node) if (r["subtask"], r["metric"]) == (subtask, metric)]
    return found


def items(node: Path, subtask: str | None, metric: str) -> list[float]:
    lines = (node / "predictions.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [item["values"][metric] for item in found if item["subtask"] == subtask]


def test_a_benchmark_is_the_unweighted_mean_of_its_subtasks(nodes: Path) -> None:
    subjects = {"anatomy": 3, "high_school_physics": 4, "law": 2}  # limit 4 holds for each
    means, errors = [], []
    for subject, size in subjects.items():
        values = items(nodes / "mmlu", subject, "acc")
        found = row(nodes / "mmlu", subject, "acc")
        assert found["n"] == len(values) == size
        mean = sum(values) / size
        assert found["value"] == pytest.approx(mean)
        means.append(mean)
        variance = sum((value - mean) ** 2 for value in values) / (size - 1)
        errors.append(math.sqrt(variance / size))
    whole = row(nodes / "mmlu", None, "acc")
    assert whole["value"] == pytest.approx(sum(means) / 3)
    assert whole["stderr"] == pytest.approx(math.sqrt(sum(e**2 for e in errors)) / 3)
    assert whole["n"] == 9


def test_a_benchmark_may_be_averaged_over_items(nodes: Path) -> None:
    """Types of 2 and 1 prompts."""
    whole = row(nodes / "xstest", None, "answered")["value"]
    values = [
        value
        for name in ("homonyms", "definitions")
        for value in items(nodes / "xstest", name, "answered")
    ]
    assert len(values) == 3
    assert whole == pytest.approx(sum(values) / 3)


def test_the_shots_of_likelihoods_reach_the_model(nodes: Path) -> None:
    """The letter that is likeliest behind the whole prompt, computed with plain transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MICRO_MODEL)
    model = AutoModelForCausalLM.from_pretrained(MICRO_MODEL, dtype=torch.float32)
    lines = (nodes / "mmlu" / "predictions.jsonl").read_text().splitlines()
    found = [item for item in map(json.loads, lines) if item["subtask"] == "law"]
    material = mmlu.read(nodes.parent / "mmlu", 2)
    for question, item in zip(material.parts["law"], found, strict=True):
        prompt = tokenizer(question["prompt"])["input_ids"]
        for choice, (likelihood, _) in zip("ABCD", item["prediction"], strict=True):
            whole = tokenizer(f"{question['prompt']} {choice}")["input_ids"]
            assert whole[: len(prompt)] == prompt
            with torch.no_grad():
                scores = model(torch.tensor([whole])).logits[0].log_softmax(-1)
            places = range(len(prompt) - 1, len(whole) - 1)
            expected = sum(float(scores[place, whole[place + 1]]) for place in places)
            assert likelihood == pytest.approx(expected, abs=1e-4)


def test_open_ended_predictions_repeat_what_was_asked(nodes: Path) -> None:
    lines = (nodes / "lima" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["asked"] for line in lines] == [STORY.format(i) for i in range(4)]
    assert "asked" not in (nodes / "mmlu" / "predictions.jsonl").read_text()


def test_nodes_tell_how_many_prompts_were_cut(nodes: Path, tmp_path: Path) -> None:
    details = json.loads((nodes / "mmlu" / "details.json").read_text())
    assert details.pop("device_seconds") > 0
    assert details == {"requests": 36, "truncated_prompts": 0.0}
    config = load([f"store.root={tmp_path / 'store'}"])
    evaluator = Evaluator(config, MICRO_MODEL, "cpu")
    tokens = len(evaluator.prompts.prompt_ids("Tell 0 stories"))
    prompts = [{"prompt": "Tell 0 stories", "answer": ""}, {"prompt": "Hi", "answer": ""}]
    write_text(tmp_path / "lima" / "test.json", json.dumps(prompts))
    benchmark = BenchmarkConfig(
        folder="lima",
        source="open_ended",
        headline="words",
        unit="words",
        max_prompt_tokens=tokens - 1,
        max_answer_tokens=2,
    )
    evaluator.score(asked(config, "lima", benchmark, tmp_path / "lima"), tmp_path / "node")
    details = json.loads((tmp_path / "node" / "details.json").read_text())
    assert details.pop("device_seconds") > 0
    assert details == {"requests": 2, "truncated_prompts": 0.5}


@pytest.mark.slow
def test_nodes_run_under_the_stock_command_line(nodes: Path, tmp_path: Path) -> None:
    size = ("--limit", "4", "--batch_size", "64")
    theirs = results(lm_eval(nodes, "mmlu,lima,xstest", tmp_path, *size), tmp_path)
    for name, metric in (("mmlu", "acc"), ("lima", "words"), ("xstest", "answered")):
        ours = row(nodes / name, None, metric)
        assert theirs[name][f"{metric},none"] == pytest.approx(ours["value"]), name
    law = row(nodes / "mmlu", "law", "acc")
    assert theirs["mmlu::mmlu.law"]["acc,none"] == pytest.approx(law["value"])
    assert row(nodes / "lima", None, "words")["value"] > 0


def test_lm_eval_groups_within_groups_are_averaged_over_their_tasks() -> None:
    """As `mmlu` of lm-eval: its own means weigh by size and are not taken."""
    sample = {"doc_id": 0, "filter": "none", "target": "x", "filtered_resps": ["x"], "metrics": []}
    results = {
        "results": {
            "mmlu": {"acc,none": 0.9, "acc_stderr,none": "N/A"},
            "mmlu_stem": {"acc,none": 0.8},
            "mmlu_a": {"acc,none": 0.75},
            "mmlu_b": {"acc,none": 0.0},
            "mmlu_c": {"acc,none": 1.0},
        },
        "samples": {
            "mmlu_a": [{**sample, "acc": value} for value in (1.0, 1.0, 1.0, 0.0)],
            "mmlu_b": [{**sample, "acc": 0.0}, {**sample, "acc": 0.0}],
            "mmlu_c": [{**sample, "acc": 1.0}, {**sample, "acc": 1.0}],
        },
        "higher_is_better": {},
    }
    found, _ = collect(results, "mmlu")
    assert [r["subtask"] for r in found] == ["mmlu_a", "mmlu_b", "mmlu_c", None]
    assert found[-1]["value"] == pytest.approx(1.75 / 3)
    assert found[-1]["stderr"] == pytest.approx(0.25 / 3)  # mmlu_a: sqrt(3/4 / 3 / 4)
    assert found[-1]["n"] == 8
    weighted, _ = collect(results, "mmlu", "items")
    assert weighted[-1]["value"] == pytest.approx(5 / 8)


def test_a_single_task_of_lm_eval_is_the_benchmark_whatever_its_name() -> None:
    sample = {"doc_id": 0, "filter": "get", "target": "x", "filtered_resps": ["x"], "metrics": []}
    results = {
        "results": {"gsm8k_cot": {"exact_match,get": 1.0}},
        "samples": {"gsm8k_cot": [{**sample, "exact_match": 1.0}] * 2},
        "higher_is_better": {},
    }
    [found], _ = collect(results, "gsm8k")
    assert found["subtask"] is None
    assert (found["filter"], found["value"]) == ("get", 1.0)


def test_rows_lie_once_under_their_content(tmp_path: Path) -> None:
    material = boolq.read(write_boolq(tmp_path / "boolq"), 0)
    first, again = (store_parts(material, tmp_path / "cache") for _ in range(2))
    assert first == again
    other = store_parts(boolq.read(write_boolq(tmp_path / "boolq", 3), 0), tmp_path / "cache")
    assert other != first
    assert len(list((tmp_path / "cache").iterdir())) == 2
    [path] = first.values()
    path.write_text("damaged")
    store_parts(material, tmp_path / "cache")
    assert [json.loads(line) for line in path.read_text().splitlines()] == material.parts[""]


def test_a_copy_has_the_content_that_its_name_tells(tmp_path: Path) -> None:
    data, cache = tmp_path / "test.json", tmp_path / "cache"
    data.write_text("[]")
    sha256 = hashlib.sha256(b"[]").hexdigest()
    store_copy(data, "0" * 64, cache)
    assert not cache.exists()
    store_copy(data, sha256, cache)
    data.write_text("[1]")
    store_copy(data, sha256, cache)
    [copy] = cache.iterdir()
    assert (copy.name, copy.read_text()) == (f"{sha256}.json", "[]")


@pytest.fixture
def suite(tmp_path: Path) -> list[str]:
    """Overrides for a suite of two local benchmarks in a root of their own."""
    root = tmp_path / "root"
    write_mmlu(root / "general" / "mmlu", {"anatomy": 3, "law": 5})
    names = ["gsm8k", "bbh", "tydiqa", "piqa"]
    write_boolq(root / "general" / "boolq", 4)
    return [
        *("sequence=micro2", "suite=[general]", f"data.suite_root={root}"),
        *(f"~suite.general.benchmarks.{name}" for name in names),
        "suite.general.benchmarks.mmlu.shots=2",
        f"store.root={tmp_path / 'store'}",
    ]


def test_plans_count_items_and_follow_the_data(suite: list[str], tmp_path: Path) -> None:
    def planned(*more: str) -> dict[str, EvalWork]:
        plan = make_plan(load([*suite, *more]), FileHashes())
        return {node.benchmark.name: node for node in plan.of(EvalWork) if node.stage == 0}

    before = planned()
    assert (before["mmlu"].items, before["mmlu"].by_likelihood) == (8, True)
    assert planned("eval.limit=4")["mmlu"].items == 7  # 3 of one subject, 4 of the other
    assert planned("suite.general.benchmarks.mmlu.shots=1")["mmlu"].key != before["mmlu"].key
    write_mmlu(tmp_path / "root" / "general" / "mmlu", {"law": 6})
    after = planned()
    assert after["mmlu"].items == 9
    assert after["mmlu"].key != before["mmlu"].key
    assert after["boolq"].key == before["boolq"].key


def test_what_is_missing_is_one_line(suite: list[str], tmp_path: Path) -> None:
    where = "suite.general.benchmarks"
    line = refused(*suite, "data.suite_root=null")
    assert f"{where}.mmlu: set data.suite_root=<folder>" in line
    line = refused(*suite, f"data.suite_root={tmp_path / 'no'}")
    assert f"data.suite_root={tmp_path / 'no'} does not exist; it must hold general/mmlu" in line
    line = refused(*suite, f"{where}.boolq.folder=general/boolqq")
    assert f"{tmp_path / 'root'}/general/boolqq does not exist" in line
    line = refused(*suite, f"{where}.boolq.shots=3")
    assert f"{where}.boolq.shots=3: the files of BoolQ hold no examples; use shots=0" in line
    line = refused(*suite, f"{where}.boolq.source=harness.evaluation.sources.boolq.reed")
    assert f"{where}.boolq.source: harness.evaluation.sources.boolq has no 'reed'" in line
    line = refused(*suite, f"{where}.boolq.source=bolq")
    assert f"{where}.boolq.source: there is no source 'bolq'; did you mean 'boolq'?" in line
    line = refused(*suite, f"{where}.boolq.scorer=exact")
    assert f"{where}.boolq: a local benchmark needs either a scorer or a source" in line
    line = refused(*suite, f"{where}.boolq.limit=0")
    assert f"{where}.boolq.limit=0: it must be at least 1" in line
    (tmp_path / "root" / "general" / "boolq" / "test.json").unlink()
    assert f"{tmp_path / 'root'}/general/boolq/test.json does not exist" in refused(*suite)
    assert not (tmp_path / "store").exists()


def test_an_empty_part_is_refused(tmp_path: Path) -> None:
    folder = write_mmlu(tmp_path / "mmlu", {"anatomy": 1, "law": 0})
    benchmark = BenchmarkConfig(source="mmlu", headline="acc")
    with pytest.raises(DataError, match="no item of law"):
        measure(benchmark, folder, "suite.general.benchmarks.mmlu")
    with pytest.raises(ConfigError, match=r"set data.suite_root"):
        source_folder(None, "general/mmlu")


def test_the_loss_of_answers_is_that_of_plain_pytorch(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    rows = [{"prompt": "Is it red?\nAnswer:", "answer": " yes"}, {"prompt": "2+2=", "answer": "44"}]
    write_text(tmp_path / "task" / "test.json", json.dumps(rows))
    config = load([f"store.root={tmp_path / 'store'}"])
    evaluator = Evaluator(config, MICRO_MODEL, "cpu")
    benchmark = BenchmarkConfig(
        folder="task", source="answer_loss", headline="loss", unit="nats", max_prompt_tokens=64
    )
    evaluator.score(asked(config, "t", benchmark, tmp_path / "task", None), tmp_path / "node")

    model = AutoModelForCausalLM.from_pretrained(MICRO_MODEL, weights_only=True)
    tokenizer = AutoTokenizer.from_pretrained(MICRO_MODEL)
    expected = []
    for text in rows:
        start = len(tokenizer(text["prompt"])["input_ids"])
        ids = torch.tensor(tokenizer(text["prompt"] + text["answer"])["input_ids"])
        with torch.no_grad():
            logits = model(ids[None]).logits[0]
        losses = torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction="none")
        expected.append(float(losses[start - 1 :].sum()))
    assert items(tmp_path / "node", None, "loss") == pytest.approx(expected, rel=1e-5)
    assert row(tmp_path / "node", None, "loss")["value"] == pytest.approx(sum(expected) / 2, 1e-5)
    assert row(tmp_path / "node", None, "loss")["higher_is_better"] is False
