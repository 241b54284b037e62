"""Scores are lm-eval's, errors are ours, and the task files run under the stock command line."""

import json
import math
import os
import random
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf
from support.asked import asked
from support.places import MICRO_MODEL
from support.stock import lm_eval, results

from harness.config.compose.compose import load
from harness.config.parts import Kind, load_part
from harness.config.places import conf_dir
from harness.evaluation.evaluator import Evaluator
from harness.evaluation.language_model import Asker
from harness.evaluation.scores import collect
from harness.evaluation.task_yaml import task_yaml

CONFIG = load([])
_FORMATS = ("letter", "number", "summary", "code_line", "simplification")
SCORERS = [
    *(*_FORMATS, "choice_with_reason", "exact", "final_number"),
    *(f"reasoned_{name}" for name in _FORMATS),
]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of micro_units and of a task with many metrics, scored with the embedded model."""
    folder = tmp_path_factory.mktemp("nodes")
    os.environ["HF_DATASETS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    evaluator = Evaluator(CONFIG, MICRO_MODEL, "cpu")
    for name in ("micro_units", "micro_simple"):
        task = CONFIG.task[name]
        data = Path(CONFIG.data.root) / task.folder / "test.json"
        evaluator.score(asked(CONFIG, name, task, data, 40), folder / name)
    return folder


@pytest.fixture
def scored(nodes: Path) -> Path:
    """micro_units scored with the embedded model."""
    return nodes / "micro_units"


def rows(folder: Path) -> dict[str, dict]:
    return {row["metric"]: row for row in json.loads((folder / "scores.json").read_text())}


def predictions(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def test_score_and_error_follow_from_the_predictions(scored: Path) -> None:
    items = predictions(scored)
    assert len(items) == 40
    right = [float(item["prediction"][0] == item["target"]) for item in items]
    share = sum(right) / 40
    row = rows(scored)["accuracy"]
    assert row["value"] == pytest.approx(share)
    assert row["n"] == 40
    # the standard error of a mean of zeros and ones, with n - 1
    assert row["stderr"] == pytest.approx(math.sqrt(share * (1 - share) / 39))


def test_generation_is_plain_greedy_decoding(scored: Path) -> None:
    """One prompt at a time through transformers gives the same text as the batched evaluator."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    task = CONFIG.task["micro_units"]
    data = json.loads((Path(CONFIG.data.root) / task.folder / "test.json").read_text())[:10]
    tokenizer = AutoTokenizer.from_pretrained(MICRO_MODEL)
    model = AutoModelForCausalLM.from_pretrained(MICRO_MODEL, dtype=torch.float32)
    for row, item in zip(data, predictions(scored), strict=False):
        ids = torch.tensor([tokenizer(row["prompt"])["input_ids"]])
        out = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=task.max_answer_tokens,
            do_sample=False,
            pad_token_id=tokenizer.eos_token_id,
        )
        text = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        assert item["prediction"] == [text]


def test_scoring_leaves_the_random_states_alone(tmp_path: Path) -> None:
    task = CONFIG.task["micro_units"]
    data = Path(CONFIG.data.root) / task.folder / "test.json"
    evaluator = Evaluator(CONFIG, MICRO_MODEL, "cpu")
    random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), torch.get_rng_state()
    evaluator.score(asked(CONFIG, "micro_units", task, data, 2), tmp_path)
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.slow
def test_the_task_files_run_under_the_stock_command_line(nodes: Path, tmp_path: Path) -> None:
    """Every metric of both tasks has the value that the harness found."""
    size = ("--limit", "40", "--batch_size", "64")
    done = lm_eval(nodes, "micro_units,micro_simple", tmp_path, *size)
    theirs = results(done, tmp_path)
    for task, count in (("micro_units", 2), ("micro_simple", 8)):
        ours = rows(nodes / task)
        assert len(ours) == count
        for metric, row in ours.items():
            assert theirs[task][f"{metric},none"] == pytest.approx(row["value"]), metric


@pytest.mark.parametrize("scorer", SCORERS)
def test_the_task_file_lists_every_metric_of_its_scorer(scorer: str, tmp_path: Path) -> None:
    data = tmp_path / "test.json"
    data.write_text('[{"prompt": "Stance:", "answer": "C"}]')
    text = task_yaml("t", data, scorer, 8, 1).replace("!function", "")
    listed = [entry["metric"] for entry in yaml.safe_load(text)["metric_list"]]
    function = load_part(scorer, "scorer", Kind.scorer)
    for said in ("", "C", "C\nBecause a b c d.", "Reasons.\nAnswer:C"):
        assert list(function({"prompt": "Stance:", "answer": "C"}, said)) == listed


def test_every_headline_is_a_metric_of_the_task_file() -> None:
    files = sorted((conf_dir() / "task").rglob("*.yaml"))
    assert len(files) >= 24
    of_programs = "python_tests"  # whose rows have tests and no answer
    for path in files:
        [task] = OmegaConf.load(path).values()
        assert task.scorer in (*SCORERS, of_programs)
        scores = load_part(task.scorer, path.stem, Kind.scorer)({"prompt": "p", "answer": "C"}, "")
        assert task.headline == next(iter(scores)), "the headline comes first"
        assert not task.headline.endswith("_lenient")


def test_groups_keep_their_subtasks() -> None:
    """A group such as MMLU: every subtask has rows, and the benchmark's are their mean."""
    sample = {"doc_id": 0, "filter": "none", "target": "x", "filtered_resps": ["x"], "metrics": []}
    results = {
        "results": {
            "suite": {"acc,none": 0.75, "acc_stderr,none": "N/A", "alias": "suite"},
            "suite_a": {"acc,none": 0.5, "acc_stderr,none": "N/A"},
            "suite_b": {"acc,none": 1.0, "acc_stderr,none": "N/A"},
        },
        "samples": {
            "suite_a": [{**sample, "acc": 0.0}, {**sample, "acc": 1.0}],
            "suite_b": [{**sample, "acc": 1.0}, {**sample, "acc": 1.0}],
        },
        "higher_is_better": {"suite_a": {"acc": True}, "suite_b": {"acc": True}},
    }
    found, _ = collect(results, "suite")
    assert [(row["subtask"], row["value"], row["n"]) for row in found] == [
        ("suite_a", 0.5, 2),
        ("suite_b", 1.0, 2),
        (None, 0.75, 4),
    ]
    assert found[0]["stderr"] == pytest.approx(0.5)
    assert found[2]["stderr"] == pytest.approx(0.25)


def test_a_score_that_is_no_mean_has_no_standard_error() -> None:
    sample = {"doc_id": 0, "filter": "none", "target": "x", "filtered_resps": ["x"], "metrics": []}
    results = {
        "results": {"perplexity": {"ppl,none": 12.0}},
        "samples": {"perplexity": [{**sample, "ppl": 1.0}, {**sample, "ppl": 2.0}]},
        "higher_is_better": {"perplexity": {"ppl": False}},
    }
    [row], _ = collect(results, "perplexity")
    assert row["stderr"] is None
    assert row["higher_is_better"] is False


def test_nothing_stands_between_prompt_and_answer(tmp_path: Path) -> None:
    data = tmp_path / "test.json"
    data.write_text('[{"prompt": "Stance:", "answer": "C"}]')
    text = task_yaml("t", data, "letter", 8, 1)
    assert "target_delimiter: ''" in text
    assert "until: []" in text
    assert "doc_to_text: prompt" in text


def test_likelihoods_see_the_whole_context_whatever_the_prompt_limit() -> None:
    """Log-likelihood of a continuation equals the one computed by hand; the limit on generated
    prompts does not cut it."""
    from lm_eval.api.instance import Instance

    evaluator = Evaluator(CONFIG, MICRO_MODEL, "cpu")
    prompts, backend = evaluator.prompts, evaluator.backend
    context, continuation = "The council met on Monday and talked about the", " park"
    request = Instance("loglikelihood", {}, (context, continuation), 0, ("t", 0, 1))
    asked = Asker(prompts, backend.context, prompt_limit=5).ask("loglikelihood", [request])
    [call] = asked.calls
    [(found, _)] = asked.respond([backend.likelihoods(call.rows, lambda n: None)])
    before, whole = prompts.prompt_ids(context), prompts.prompt_ids(context + continuation)
    with torch.no_grad():
        scores = backend.model(torch.tensor([whole])).logits[0].log_softmax(-1)
    places = range(len(before) - 1, len(whole) - 1)
    expected = sum(float(scores[place, whole[place + 1]]) for place in places)
    assert found == pytest.approx(expected, abs=1e-4)
