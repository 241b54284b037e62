"""Passes without dropout: of models that hold layers for it, and of models that call functions."""

from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, OPTConfig, OPTForCausalLM

from harness.train.engine.dropout import without_dropout

IDS = torch.tensor([[3, 5, 9, 30, 7, 20, 61]])
SIZE = {"vocab_size": 64, "max_position_embeddings": 16}


def gpt2() -> Any:
    rates = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.3)
    return GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=2, **rates))


def opt() -> Any:
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 64}
    rates = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), 0.3)
    return OPTForCausalLM(OPTConfig(**SIZE, **shape, **rates, word_embed_proj_dim=32))


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("make", [gpt2, opt])
def test_two_passes_are_one(make: Any, recompute: bool) -> None:
    model = make().train()
    if recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    with without_dropout(model, "cpu"):
        passes = [model(IDS, use_cache=False).logits for _ in range(2)]
        passes[0].sum().backward()
    assert torch.equal(*passes)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    noisy = [model(IDS, use_cache=False).logits for _ in range(2)]
    assert not torch.equal(*noisy)
