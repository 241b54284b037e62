"""Continuous batching answers what plain batches answer, token for token in fp32."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.places import MICRO_MODEL
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.errors import StageFailed
from harness.generation.backend import Sampling
from harness.generation.batches import Limits
from harness.generation.hf import HuggingFaceBackend
from harness.generation.paged import PagedBackend

TEXTS = [
    "Add 3 and 4.\nAnswer:",
    "a",
    "Who wrote the report on the harbour?\nAnswer:",
    "Who wrote the report on the river?\nAnswer:",
    "b c d e f " * 12,
    "Convert 3 m to cm.\nAnswer:",
    "a",
]


def backends(folder: Path, rows: int) -> tuple[HuggingFaceBackend, PagedBackend, list[list[int]]]:
    """The same model twice, and prompts."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = [tokenizer(text)["input_ids"] for text in TEXTS]
    plain, below = (
        HuggingFaceBackend(
            AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(),
            tokenizer,
            tokenizer.eos_token_id,
            Limits(4, 4096),
        )
        for _ in range(2)
    )
    return plain, PagedBackend(below, rows), prompts


@pytest.fixture(scope="module", params=["random", "trained"])
def both(request: Any, tiny_model: Path) -> Any:
    return backends(tiny_model if request.param == "random" else MICRO_MODEL, rows=3)


def test_greedy_answers_are_those_of_plain_batches(both: Any) -> None:
    plain, paged, prompts = both
    counts: list[int] = []
    how = Sampling(24)
    made = paged.generate(prompts, how, counts.append)
    assert made == plain.generate(prompts, how, lambda n: None)
    assert sum(counts) == len(prompts)
    assert paged.generate(prompts, how, lambda n: None) == made


def test_a_text_in_between_is_no_matter_for_likelihoods(both: Any) -> None:
    plain, paged, prompts = both
    pairs = [(prompt, [7, 8]) for prompt in prompts]
    before = plain.likelihoods(pairs, lambda n: None)
    paged.generate(prompts[:2], Sampling(4), lambda n: None)
    assert paged.likelihoods(pairs, lambda n: None) == before
    assert paged.context == plain.context


def test_what_is_drawn_follows_from_the_seed(both: Any) -> None:
    _, paged, prompts = both
    made = [
        paged.generate(prompts, Sampling(12, temperature=1.0, seed=seed), lambda n: None)
        for seed in (5, 5, 6)
    ]
    assert made[0] == made[1] != made[2]


def test_nothing_is_nothing(both: Any) -> None:
    assert both[1].generate([], Sampling(4), lambda n: None) == []


def test_an_answer_ends_before_the_end_of_text(tiny_model: Path) -> None:
    plain, paged, prompts = backends(tiny_model, rows=2)
    free = plain.generate(prompts[:1], Sampling(12), lambda n: None)[0]
    end = free[5]
    paged.plain.ends.add(end)
    made = paged.generate(prompts[:1], Sampling(12), lambda n: None)
    assert made == [free[: free.index(end)]]


def test_an_unknown_option_is_one_line(both: Any) -> None:
    with pytest.raises(StageFailed, match="has no option colour"):
        both[1].generate([[5, 6]], Sampling(4, options={"colour": "red"}), lambda n: None)
