"""Continuations and likelihoods in batches equal a plain forward pass per token and per item."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.errors import StageFailed
from harness.generation.backend import Sampling
from harness.generation.batches import Limits
from harness.generation.hf import HuggingFaceBackend
from harness.generation.prefixes import together

PROMPTS = ["Add 3 and 4.", "a", "Who wrote the report on the harbour?\nAnswer:", "b c d e f", "a"]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_model).eval()


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.fixture(scope="module")
def prompts(tokenizer: Any) -> list[list[int]]:
    return [tokenizer(text)["input_ids"] for text in PROMPTS]


def backend(model: Any, tokenizer: Any, size: int = 2) -> HuggingFaceBackend:
    return HuggingFaceBackend(model, tokenizer, tokenizer.eos_token_id, Limits(size, 10**6))


def greedy(model: Any, prompt: list[int], count: int, eos: int) -> list[int]:
    """The likeliest token, `count` times, each by a forward pass over all that stands before."""
    ids = list(prompt)
    for _ in range(count):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == eos:
            return ids[len(prompt) : -1]
    return ids[len(prompt) :]


@pytest.fixture(scope="module")
def alone(model: Any, tokenizer: Any, prompts: list[list[int]]) -> list[list[int]]:
    return [greedy(model, prompt, 12, tokenizer.eos_token_id) for prompt in prompts]


@pytest.mark.parametrize("size", [1, 2, 8])
def test_greedy_answers_are_those_of_one_prompt_alone(
    model: Any, tokenizer: Any, prompts: list[list[int]], alone: list[list[int]], size: int
) -> None:
    counts: list[int] = []
    made = backend(model, tokenizer, size).generate(prompts, Sampling(12), counts.append)
    assert made == alone
    assert sum(counts) == len(prompts)
    assert len(counts) == math.ceil(len(prompts) / size)


def test_an_answer_ends_before_the_end_of_text(
    model: Any, tokenizer: Any, prompts: list[list[int]]
) -> None:
    free = greedy(model, prompts[0], 12, eos=-1)
    end = free[5]
    first = free.index(end)
    ends = HuggingFaceBackend(model, tokenizer, end, Limits(4, 10**6))
    model.generation_config.eos_token_id, before = end, model.generation_config.eos_token_id
    try:
        assert ends.generate(prompts[:1], Sampling(12), lambda n: None) == [free[:first]]
    finally:
        model.generation_config.eos_token_id = before


def test_a_stop_text_ends_its_row_alone(
    model: Any, tokenizer: Any, prompts: list[list[int]]
) -> None:
    free = [greedy(model, prompt, 12, eos=-1) for prompt in prompts[:2]]
    stop = tokenizer.decode(free[0][2:4])
    assert stop not in tokenizer.decode(free[1])
    how = Sampling(12, stop=(stop,))
    stopped, other = backend(model, tokenizer).generate(prompts[:2], how, lambda n: None)
    assert stop in tokenizer.decode(stopped)
    assert len(stopped) < 12
    assert stopped == free[0][: len(stopped)]
    assert other == free[1]


@pytest.mark.parametrize("size", [1, 3, 16])
def test_likelihoods_are_those_of_one_item_alone(
    model: Any, tokenizer: Any, prompts: list[list[int]], size: int
) -> None:
    continuations = [[7], [8], [9, 10, 11], [12], greedy(model, prompts[4], 2, eos=-1)]
    pairs = [*zip(prompts, continuations, strict=True), (prompts[0], [8]), (prompts[0], [7, 9])]
    found = backend(model, tokenizer, size).likelihoods(pairs, lambda n: None)
    for (context, continuation), (value, is_greedy) in zip(pairs, found, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([[*context, *continuation]])).logits[0].log_softmax(-1)
        places = range(len(context) - 1, len(context) + len(continuation) - 1)
        expected = [
            float(logits[place, token]) for place, token in zip(places, continuation, strict=True)
        ]
        assert value == pytest.approx(sum(expected), abs=1e-5 * len(continuation))
        best = [int(logits[place].argmax()) for place in places]
        assert is_greedy == (best == continuation)
    assert found[4].greedy


def test_what_does_not_fit_is_left_out_at_the_beginning(model: Any, tokenizer: Any) -> None:
    asked = backend(model, tokenizer)
    asked.context = 6
    long, short = ([3, 4, 5, 6, 7, 8, 9], [10, 11]), ([5, 6, 7, 8, 9], [10, 11])
    cut, whole = asked.likelihoods([long, short], lambda n: None)
    assert cut == whole


def test_rows_go_longest_first_whatever_their_order_was() -> None:
    rows = [[1], [2, 2, 2], [3, 3], [4, 4, 4], [5]]
    assert together(rows) == [1, 3, 2, 0, 4]
    turned = rows[::-1]
    assert [turned[i] for i in together(turned)] == [rows[i] for i in together(rows)]


def test_a_batch_keeps_to_its_tokens(
    model: Any, tokenizer: Any, prompts: list[list[int]], alone: list[list[int]]
) -> None:
    counts: list[int] = []
    longest = max(map(len, prompts)) + 12
    asked = HuggingFaceBackend(model, tokenizer, tokenizer.eos_token_id, Limits(8, 2 * longest - 1))
    assert asked.generate(prompts, Sampling(12), counts.append) == alone
    assert counts[0] == 1  # a second row as long would be a token too much
    assert sum(counts) == len(prompts)


def test_likelihoods_make_logits_only_where_they_answer(
    model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes, forward = [], model.forward

    def watched(*args: Any, **options: Any) -> Any:
        made = forward(*args, **options)
        shapes.append((made.logits.shape[1], made.past_key_values))
        return made

    asked = backend(model, tokenizer, 8)
    monkeypatch.setattr(model, "forward", watched)
    pairs = [([3, 4, 5, 6, 7, 8], [9, 10]), ([3, 4, 5, 6, 7, 8], [11])]
    asked.likelihoods(pairs, lambda n: None)
    assert shapes == [(2, None)]  # of 7 places


def test_a_batch_that_memory_does_not_hold_is_halved(
    model: Any,
    tokenizer: Any,
    prompts: list[list[int]],
    alone: list[list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two rows fit and more do not, whatever the library calls it."""
    errors = [MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")]
    forward, fitted = model.forward, []
    asked, counts = backend(model, tokenizer, 8), []

    def limited(**options: Any) -> Any:
        rows, places = options["input_ids"].shape
        if rows > 2:
            raise errors.pop()
        if places > 1 or not fitted:
            fitted.append(rows)
        return forward(**options)

    monkeypatch.setattr(model, "forward", limited)
    assert asked.generate(prompts, Sampling(12), counts.append) == alone
    assert counts == fitted
    assert sum(counts) == len(prompts)
    # five rows, and of the shorter ones again too many in as many tokens as two of the long had
    assert asked.halved == 2


def test_a_row_that_does_not_fit_alone_is_one_line(
    model: Any, tokenizer: Any, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**options: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 TB")

    asked = backend(model, tokenizer)
    monkeypatch.setattr(model, "forward", full)
    with pytest.raises(StageFailed, match="do not fit into memory even alone; lower max_prompt"):
        asked.generate(prompts, Sampling(12), lambda n: None)


def test_another_error_is_not_taken_for_lack_of_memory(
    model: Any, tokenizer: Any, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**options: Any) -> Any:
        raise RuntimeError("shapes differ")

    asked = backend(model, tokenizer)
    monkeypatch.setattr(model, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        asked.generate(prompts, Sampling(12), lambda n: None)


def test_what_is_drawn_follows_from_the_seed(
    model: Any, tokenizer: Any, prompts: list[list[int]]
) -> None:
    asked = backend(model, tokenizer, 8)

    def drawn(seed: int) -> list[list[int]]:
        return asked.generate(prompts, Sampling(12, temperature=1.0, seed=seed), lambda n: None)

    assert drawn(1) == drawn(1) != drawn(2)
