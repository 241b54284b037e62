"""The order in which ways to attend packed rows are tried, as a table."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
)

from harness.config import Attention, Precision
from harness.models.attention.choice import Situation, situation, ways

SDPA, BF16, FP32 = Attention.sdpa, Precision.bf16, Precision.fp32
ALL = {"flash_attn": True, "varlen": True}


@pytest.mark.parametrize(
    ("here", "order"),
    [
        (Situation(SDPA, True, BF16, **ALL), ("flash_attention_2", "varlen", "sdpa")),
        (Situation(SDPA, True, BF16, varlen=True), ("varlen", "sdpa")),
        (Situation(SDPA, True, BF16), ("sdpa",)),
        (Situation(SDPA, True, FP32, **ALL), ("sdpa",)),  # both compute in 16 bits alone
        (Situation(SDPA, False, BF16, **ALL), ("sdpa",)),
        (Situation(SDPA, True, BF16, **ALL, maskless=False), ("sdpa",)),
        (Situation(SDPA, True, BF16, **ALL, windows=True), ("flash_attention_2", "sdpa")),
        (Situation(SDPA, True, BF16, **ALL, dropout=True), ("flash_attention_2", "sdpa")),
        (Situation(Attention.eager, True, BF16, **ALL), ("eager",)),
        (Situation(Attention.flex_attention, True, BF16, **ALL), ("flex_attention",)),
        (Situation(Attention.flash_attention_3, True, BF16, **ALL), ("flash_attention_3",)),
    ],
)
def test_the_order(here: Situation, order: tuple[str, ...]) -> None:
    assert ways(here) == order


def test_what_a_model_says_of_itself(tiny_model: Path) -> None:
    llama = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    found = situation(llama, SDPA, FP32, "cpu")
    assert (found.on_gpu, found.maskless, found.windows, found.dropout) == (False, True) + 2 * (
        False,
    )
    assert situation(llama, SDPA, BF16, "cuda:1").on_gpu
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 8}
    window = MistralForCausalLM(MistralConfig(**small, **heads, sliding_window=4))
    assert situation(window, SDPA, BF16, "cuda:0").windows
    gpt2 = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=8))
    assert situation(gpt2, SDPA, BF16, "cuda:0").dropout
