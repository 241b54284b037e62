"""Encoder-decoders as a backend: transformers' `generate` and lm-eval's own class, one item at a
time, are the references."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from harness.data.encoding import Seq2seqFormat
from harness.generation.backend import Sampling
from harness.generation.batches import Limits
from harness.generation.seq2seq import Seq2seqBackend

QUESTION = "The river is green. Which colour has it?"
TEXTS = [
    QUESTION,
    "copy: rot blau\nAnswer:",
    "count: red stone river cloud red\nAnswer:",
    "a",
    "a b",
]
CHOICES = [
    " green",
    " red",
    " gr",
    " a red stone and a river",
    " green cloud",
    " green cloud river",
]


@pytest.fixture(scope="module", params=["tiny_t5", "tiny_flan"])
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    """Small embeddings: else a head that is tied to them says the last token again."""
    loaded = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()
    loaded.shared.weight.data *= 0.05
    return loaded


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


def backend(model: Any, tokenizer: Any, rows: int = 3) -> Seq2seqBackend:
    prompts = Seq2seqFormat(tokenizer, tokenizer.eos_token_id, 0, 0)
    return Seq2seqBackend(model, prompts, Limits(rows, 4096))


def test_answers_are_those_of_generate_one_at_a_time(model: Any, tokenizer: Any) -> None:
    prompts = [tokenizer(text)["input_ids"] for text in TEXTS]
    told: list[int] = []
    made = backend(model, tokenizer).generate(prompts, Sampling(12), told.append)
    for ids, answer in zip(prompts, made, strict=True):
        options = {"max_new_tokens": 12, "do_sample": False, "use_cache": False}
        [alone] = model.generate(torch.tensor([ids]), **options).tolist()
        end = alone.index(1) if 1 in alone else len(alone)
        assert answer == alone[1:end]
    assert sum(told) == len(TEXTS)
    assert len({tuple(answer) for answer in made}) > 1


def test_a_decoder_without_a_start_of_its_own_begins_with_the_padding(
    model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [tokenizer(text)["input_ids"] for text in TEXTS[:3]]
    expected = backend(model, tokenizer).generate(prompts, Sampling(6), lambda count: None)
    monkeypatch.setattr(model.generation_config, "decoder_start_token_id", None)
    assert backend(model, tokenizer).generate(prompts, Sampling(6), lambda count: None) == expected


def test_an_end_ends_an_answer(model: Any, tokenizer: Any) -> None:
    """Another token is made the end of a text."""
    prompts = [tokenizer(text)["input_ids"] for text in TEXTS[:2]]
    [first, _] = backend(model, tokenizer).generate(prompts, Sampling(6), lambda count: None)
    model.generation_config.eos_token_id = first[2]
    try:
        again, _ = backend(model, tokenizer).generate(prompts, Sampling(6), lambda count: None)
    finally:
        model.generation_config.eos_token_id = 1
    assert again == first[: first.index(first[2])]


def test_likelihoods_are_those_of_lm_eval_one_at_a_time(
    folder: Path, model: Any, tokenizer: Any
) -> None:
    from lm_eval.models.huggingface import HFLM

    theirs = HFLM(pretrained=str(folder), backend="seq2seq", device="cpu", dtype="float32")
    theirs._model = model  # it ties a head of its own to the embedding, against the file
    pairs = [
        theirs._encode_pair(text, choice) for text in (QUESTION, *TEXTS[3:]) for choice in CHOICES
    ]
    found = backend(model, tokenizer, 4).likelihoods(pairs, lambda count: None)
    for pair, ours in zip(pairs, found, strict=True):
        [(log_probability, greedy)] = theirs._loglikelihood_tokens([(None, *pair)], True, 1)
        assert ours.log_probability == pytest.approx(log_probability, abs=1e-5 * len(pair[1]))
        assert ours.greedy is greedy


def test_a_prompt_goes_through_the_encoder_once(model: Any, tokenizer: Any) -> None:
    ids = tokenizer(QUESTION)["input_ids"]
    pairs = [(ids, tokenizer(text, add_special_tokens=False)["input_ids"]) for text in CHOICES]
    read: list[int] = []
    encoder = model.get_encoder()
    handle = encoder.register_forward_pre_hook(
        lambda module, args, options: read.append(len(options["input_ids"])), with_kwargs=True
    )
    try:
        backend(model, tokenizer, 8).likelihoods(pairs, lambda count: None)
        backend(model, tokenizer, 8).generate([ids, ids], Sampling(5), lambda count: None)
    finally:
        handle.remove()
    assert read == [1, 2]
