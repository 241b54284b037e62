"""Scores of an encoder-decoder: the stock lm_eval command and transformers are the references."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.asked import asked
from support.raw_files import write_rows
from support.stock import lm_eval, results
from support.tiny_t5 import write_t5
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from harness.config import BenchmarkConfig, HarnessConfig
from harness.config.compose.compose import load
from harness.evaluation.evaluator import Evaluator
from harness.evaluation.language_model import Asker

COLOURS = ["rot", "blau", "red", "green"]
ROWS = [
    {"prompt": f"Say {one}, not {other}:", "answer": one}
    for one in COLOURS
    for other in COLOURS
    if one != other
]
TEXT = BenchmarkConfig(
    source="likelihood",
    headline="perplexity",
    unit="perplexity",
    max_prompt_tokens=64,
    max_answer_tokens=1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 that has learned some of the rows, and to end its answers."""
    place = write_t5(tmp_path_factory.mktemp("taught") / "t5", decoder=2)
    model = AutoModelForSeq2SeqLM.from_pretrained(place, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(place)
    model.shared.weight.data *= 0.2
    step = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        loss = sum(
            model(
                input_ids=tokenizer(row["prompt"], return_tensors="pt")["input_ids"],
                labels=tokenizer(row["answer"], return_tensors="pt")["input_ids"],
            ).loss
            for row in ROWS[::3]
        )
        step.zero_grad()
        loss.backward()
        step.step()
    model.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rows")
    for split in ("train", "eval", "test"):
        write_rows(root / "colours" / f"{split}.json", ROWS)
    return root


@pytest.fixture(scope="module")
def config(folder: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> HarnessConfig:
    own = tmp_path_factory.mktemp("conf")
    (own / "task").mkdir()
    (own / "task" / "colours.yaml").write_text(
        "colours:\n  folder: colours\n  scorer: exact\n  headline: accuracy\n"
        "  max_prompt_tokens: 64\n  max_answer_tokens: 6\n"
    )
    words = [f"hydra.searchpath=[file://{own}]", "task=[colours]", "suite=[]"]
    return load([*words, f"model.path={folder}", f"data.root={data}"])


@pytest.fixture(scope="module")
def nodes(config: HarnessConfig, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is generated for the rows, and the likelihood of their answers."""
    place, rows = tmp_path_factory.mktemp("nodes"), data / "colours"
    os.environ["HF_DATASETS_CACHE"] = str(place / "cache")
    config = replace(config, store=replace(config.store, root=str(place / "store")))
    evaluator = Evaluator(config, config.model.path, "cpu")
    task = asked(config, "colours", config.task["colours"], rows / "test.json")
    for name, benchmark in (("colours", task), ("text", asked(config, "text", TEXT, rows))):
        (place / name).mkdir()
        evaluator.score(benchmark, place / name)
    return place


def test_prompts_are_those_of_training_and_answers_those_of_generate(
    config: HarnessConfig, data: Path, tmp_path: Path
) -> None:
    """Prompts are cut to eight tokens, of which the last is the end, as training cuts them."""
    tokenizer = AutoTokenizer.from_pretrained(config.model.path)
    model = AutoModelForSeq2SeqLM.from_pretrained(config.model.path, dtype=torch.float32).eval()
    task = replace(config.task["colours"], max_prompt_tokens=8)
    short = asked(config, "colours", task, data / "colours" / "test.json")
    Evaluator(config, config.model.path, "cpu").score(short, tmp_path)
    made = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    for row, item in zip(ROWS, made, strict=True):
        ids = tokenizer(row["prompt"])["input_ids"]
        assert len(ids) > 8
        [alone] = model.generate(
            torch.tensor([ids[-8:]]), max_new_tokens=6, do_sample=False
        ).tolist()
        assert item["prediction"] == [tokenizer.decode(alone, skip_special_tokens=True)]
    assert json.loads((tmp_path / "details.json").read_text())["truncated_prompts"] == 1


def test_whole_texts_are_as_likely_as_by_lm_evals_own_class(config: HarnessConfig) -> None:
    """The encoder reads an EOS alone; the windows of a long text follow each other."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    evaluator = Evaluator(config, config.model.path, "cpu")
    evaluator.backend.context = 6
    texts = [row["prompt"] for row in ROWS[:3]] + [" ".join(COLOURS * 3)]
    requests = [Instance("loglikelihood_rolling", {}, (text,), 0) for text in texts]
    asked_for = Asker(evaluator.prompts, 6, None).ask("loglikelihood_rolling", requests)
    [call] = asked_for.calls
    found = asked_for.respond([evaluator.backend.likelihoods(call.rows, lambda count: None)])
    theirs = HFLM(config.model.path, backend="seq2seq", device="cpu", dtype="float32", max_length=6)
    assert found == pytest.approx(theirs.loglikelihood_rolling(requests, True), abs=1e-4)


def by_metric(node: Path) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in json.loads((node / "scores.json").read_text())}


@pytest.mark.slow
def test_the_stock_command_finds_our_scores(
    config: HarnessConfig, nodes: Path, tmp_path: Path
) -> None:
    """Where answers end by themselves: it lets an encoder-decoder write as many tokens more as its
    prompt has."""
    model = f"pretrained={config.model.path},backend=seq2seq"
    done = lm_eval(nodes, "colours,text", tmp_path, "--batch_size", "5", model=model)
    theirs = results(done, tmp_path)
    ours = by_metric(nodes / "colours")
    assert 0 < ours["accuracy"]["value"] < 1
    for metric, row in ours.items():
        assert theirs["colours"][f"{metric},none"] == pytest.approx(row["value"], abs=1e-12)
    perplexity = by_metric(nodes / "text")["perplexity"]["value"]
    assert theirs["text"]["perplexity,none"] == pytest.approx(perplexity, rel=1e-5)
