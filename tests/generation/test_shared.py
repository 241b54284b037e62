"""Rows that begin alike: answers and likelihoods are those of each row alone, in fewer tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.generation.backend import Sampling
from harness.generation.batches import Limits
from harness.generation.hf import HuggingFaceBackend

SIZES = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 256, "bos_token_id": 0,
    "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
# Angles that follow from how long the row is.
LONG = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}
# Architecture -> its further settings, and are passes made here (else transformers' own)?
ARCHITECTURES: dict[str, tuple[dict[str, Any], bool]] = {
    "Llama": ({"num_key_value_heads": 2}, True),
    "Qwen3": ({"num_key_value_heads": 2, "head_dim": 8}, True),
    "Olmo2": ({"num_key_value_heads": 2}, True),
    "GPTNeoX": ({}, True),
    "GPT2": ({"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}, True),
    "Mistral": ({"num_key_value_heads": 2, "sliding_window": 26}, False),
    "Llama by length": ({"num_key_value_heads": 2, "rope_scaling": LONG}, False),
    "Bloom": ({"n_layer": 2, "n_head": 4}, False),
}
SHOTS = [[10 + (7 * place + shot) % 60 for place in range(24)] for shot in range(3)]
ROWS = [
    [*SHOTS[0], 3, 4, 5], [*SHOTS[0], 6], [*SHOTS[1], 7, 8], [*SHOTS[0], 9, 9, 9, 9], [71, 72],
    [*SHOTS[1], 3], [*SHOTS[2], 4, 6],
]  # fmt: skip


def made(name: str, attention: str = "sdpa") -> Any:
    """A small random model."""
    torch.manual_seed(1)
    settings = SIZES | ARCHITECTURES[name][0]
    config = getattr(transformers, f"{name.split()[0]}Config")(
        **settings, attn_implementation=attention
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    with torch.no_grad():
        for weight in model.parameters():  # far from one answer for everything
            if weight.dim() > 1:
                weight.mul_(6)
    return model


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model)


def backend(model: Any, tokenizer: Any, rows: int = 16) -> HuggingFaceBackend:
    return HuggingFaceBackend(model, tokenizer, 1, Limits(rows, 10**6))


def alone(model: Any, prompt: list[int], count: int, end: int | None = 1) -> list[int]:
    ids = list(prompt)
    for _ in range(count):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == end:
            return ids[len(prompt) : -1]
    return ids[len(prompt) :]


def likelihood(model: Any, context: list[int], continuation: list[int]) -> float:
    with torch.no_grad():
        logits = model(torch.tensor([[*context, *continuation]])).logits[0].log_softmax(-1)
    places = range(len(context) - 1, len(context) + len(continuation) - 1)
    return sum(
        float(logits[place, token]) for place, token in zip(places, continuation, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "attention"), [*((name, "sdpa") for name in ARCHITECTURES if name != "Bloom"),
                            ("Llama", "eager"), ("Bloom", "eager")],
)  # fmt: skip
def test_every_row_is_as_alone(name: str, attention: str, tokenizer: Any) -> None:
    model = made(name, attention)
    asked = backend(model, tokenizer)
    assert (asked.passes is not None) == ARCHITECTURES[name][1]
    answers = asked.generate(ROWS, Sampling(10), lambda count: None)
    assert answers == [alone(model, row, 10) for row in ROWS]
    assert len({tuple(answer) for answer in answers}) > 4
    pairs = [(row, text) for row in ROWS for text in ([5], [8, 9, 12, 30])]
    found = asked.likelihoods(pairs, lambda count: None)
    for (row, text), one in zip(pairs, found, strict=True):
        assert one.log_probability == pytest.approx(likelihood(model, row, text), abs=1e-4)


@pytest.fixture
def llama() -> Any:
    return made("Llama")


def watched(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(rows, places) of every forward pass from now on."""
    shapes, forward = list[tuple[int, int]](), model.forward

    def watch(*args: Any, **options: Any) -> Any:
        shapes.append(
            tuple(options["input_ids"].shape if "input_ids" in options else args[0].shape)
        )
        return forward(*args, **options)

    monkeypatch.setattr(model, "forward", watch)
    return shapes


def test_what_is_shared_goes_through_once(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = backend(llama, tokenizer)
    shapes = watched(llama, monkeypatch)
    rows = [[*SHOTS[0], 3, last] for last in range(20, 28)]
    asked.generate(rows, Sampling(1), lambda count: None)
    asked.likelihoods([(row, [4]) for row in rows], lambda count: None)
    assert shapes == [(1, 25), (8, 1), (1, 25), (8, 1)]


def test_rows_that_have_ended_leave(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = backend(llama, tokenizer)
    asked.ends = set()
    free = asked.generate(ROWS, Sampling(12), lambda count: None)
    asked.ends = ends = {free[0][1], free[3][4], free[4][2]}
    shapes = watched(llama, monkeypatch)
    found = asked.generate(ROWS, Sampling(12), lambda count: None)
    expected = [
        row[: min((row.index(end) for end in ends if end in row), default=12)] for row in free
    ]
    assert found == expected
    steps = [rows for rows, places in shapes if places == 1]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < len(ROWS)
    needed = sum(len(row) for row in found)
    assert sum(steps) < needed / (1 - 0.25) + 2 * len(ROWS)


def test_settings_of_a_model_that_change_the_likeliest_token_are_kept(
    llama: Any, tokenizer: Any
) -> None:
    plain = backend(llama, tokenizer).generate(ROWS, Sampling(12), lambda count: None)
    llama.generation_config.repetition_penalty = 3.0
    asked = backend(llama, tokenizer)
    found = asked.generate(ROWS, Sampling(12), lambda count: None)
    assert found != plain
    theirs = llama.generate(
        torch.tensor(ROWS[:1]), attention_mask=torch.ones(1, len(ROWS[0]), dtype=torch.long),
        max_new_tokens=12, do_sample=False, pad_token_id=1,
    )  # fmt: skip
    assert found[0] == asked.until_end(theirs[0, len(ROWS[0]) :].tolist())


def test_one_token_costs_no_second_step(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = backend(llama, tokenizer)
    shapes = watched(llama, monkeypatch)
    asked.generate([[5, 6, 7], [8, 9]], Sampling(1), lambda count: None)
    assert shapes == [(2, 3)]


def test_rows_that_wait_take_the_places_of_those_that_ended(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[*row, last] for last in range(30, 33) for row in ROWS]
    asked = backend(llama, tokenizer, rows=8)
    asked.ends = set()
    free = [alone(llama, row, 12, end=None) for row in rows]
    asked.ends = ends = {row[1 + number % 8] for number, row in enumerate(free[::3])}
    expected = [
        row[: min((row.index(end) for end in ends if end in row), default=12)] for row in free
    ]
    shapes = watched(llama, monkeypatch)
    told = list[int]()
    assert asked.generate(rows, Sampling(12), told.append) == expected
    assert sum(told) == len(rows)
    steps = [count for count, places in shapes if places == 1]
    assert max(steps) == 8
    batches = [expected[start : start + 8] for start in range(0, len(rows), 8)]
    assert len(steps) < sum(max(map(len, batch)) for batch in batches)
    shared = [(count, places) for count, places in shapes if places >= 24]
    assert sum(count for count, _ in shared) <= 3 + len(rows) / 7  # shots once; [71, 72] none


def test_what_had_not_ended_when_memory_ran_out_begins_again_with_fewer_rows(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = backend(llama, tokenizer, rows=4)
    expected = asked.generate(ROWS, Sampling(6), lambda count: None)
    passes, forward = 0, llama.forward

    def crowded(*args: Any, **options: Any) -> Any:
        nonlocal passes
        passes += 1
        if passes > 8 and len(options["input_ids"]) > 2:  # some have ended by then
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return forward(*args, **options)

    monkeypatch.setattr(llama, "forward", crowded)
    told = list[int]()
    assert asked.generate(ROWS, Sampling(6), told.append) == expected
    assert asked.halved == 1
    assert sum(told) == len(ROWS)


def test_long_rows_that_wait_do_not_keep_batches_of_short_ones_large(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that share go first, however short they are."""
    rows = [[*SHOTS[0], last] for last in range(30, 38)] + [list(range(10, 90)) * 2]
    asked = backend(llama, tokenizer)
    expected = asked.generate(rows, Sampling(4), lambda count: None)
    forward = llama.forward

    def crowded(*args: Any, **options: Any) -> Any:
        if len(options["input_ids"]) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return forward(*args, **options)

    monkeypatch.setattr(llama, "forward", crowded)
    asked = HuggingFaceBackend(llama, tokenizer, 1, Limits(8, 8 * 40))
    assert asked.generate(rows, Sampling(4), lambda count: None) == expected
    assert asked.halved == 2


def test_a_long_row_by_itself_does_not_keep_others_from_sharing(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[*SHOTS[0], last] for last in range(30, 46)] + [list(range(10, 90)) * 2]
    asked = backend(llama, tokenizer, rows=8)
    shapes = watched(llama, monkeypatch)
    asked.generate(rows, Sampling(1), lambda count: None)
    assert shapes == [(1, 24), (8, 1), (8, 1), (1, 160)]


def test_a_beginning_that_is_known_serves_a_single_row(
    llama: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[*SHOTS[0], last] for last in range(30, 39)]
    asked = backend(llama, tokenizer, rows=8)
    shapes = watched(llama, monkeypatch)
    asked.generate(rows, Sampling(1), lambda count: None)
    assert shapes == [(1, 24), (8, 1), (1, 1)]
