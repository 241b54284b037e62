"""Model families as random instances of two or three layers, with what is particular to each at a
size that small rows meet: windows of a few tokens, soft caps, tied heads, norms of queries and
keys, rotation of a part of each head, layers without rotation, mixtures of experts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
_GROUPED = {"num_key_value_heads": 2}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
_ATTENTION = frozenset({"q_proj", "k_proj", "v_proj", "o_proj"})
_GATED = frozenset({"gate_proj", "up_proj", "down_proj"})
_LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
}  # fmt: skip
_TURNS = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}


@dataclass(frozen=True)
class Family:
    """config: name of the class of transformers. layers: last parts of the names of all linear
    layers but the head. blocks: path of the stack of blocks. attention: what `model.attention` has
    to be. own_passes: does scoring make its passes itself?"""

    config: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    layers: frozenset[str] = _ATTENTION | _GATED
    blocks: str = "model.layers"
    attention: str = "sdpa"
    own_passes: bool = True


FAMILIES = {
    "llama3": Family("LlamaConfig", _GROUPED | {"rope_parameters": _LLAMA3}),
    "qwen2": Family("Qwen2Config", _GROUPED | {"tie_word_embeddings": True}),
    "qwen3": Family("Qwen3Config", _GROUPED | {"head_dim": 16, "tie_word_embeddings": True}),
    "gemma2": Family(
        "Gemma2Config",
        _GROUPED
        | _TURNS
        | {"head_dim": 16, "query_pre_attn_scalar": 16}
        | {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 15.0},
        attention="eager",
        own_passes=False,
    ),
    "gemma3": Family(
        "Gemma3TextConfig",
        _GROUPED | _TURNS | {"head_dim": 16, "query_pre_attn_scalar": 16},
        own_passes=False,
    ),
    "olmo2": Family("Olmo2Config", _GROUPED),
    "mistral": Family("MistralConfig", _GROUPED | {"sliding_window": 8}, own_passes=False),
    "phi": Family(
        "PhiConfig",
        {"partial_rotary_factor": 0.5},
        layers=(_ATTENTION - {"o_proj"}) | {"dense", "fc1", "fc2"},
    ),
    "phi3": Family(
        "Phi3Config",
        _GROUPED | {"pad_token_id": None, "sliding_window": 8},
        layers=frozenset({"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}),
        own_passes=False,
    ),
    "smollm3": Family("SmolLM3Config", _GROUPED | {"pad_token_id": None, "no_rope_layers": [1, 0]}),
    "gpt2": Family(
        "GPT2Config",
        _GPT2 | {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
        layers=frozenset({"c_attn", "c_proj", "c_fc"}),
        blocks="transformer.h",
    ),
    "pythia": Family(
        "GPTNeoXConfig",
        {"rotary_pct": 0.25, "use_parallel_residual": True},
        layers=frozenset({"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
        blocks="gpt_neox.layers",
    ),
    "mixtral": Family(
        "MixtralConfig",
        _GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2},
        layers=_ATTENTION,
    ),
    "olmoe": Family(
        "OlmoeConfig",
        _GROUPED | {"num_experts": 4, "num_experts_per_tok": 2},
        layers=_ATTENTION,
    ),
}


def random_model(name: str, tokenizer: Any, spread: float = 1.0) -> Any:
    """A family's model for this tokenizer. spread: what matrices are multiplied by; a large one
    takes answers far from one token for everything."""
    family = FAMILIES[name]
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    shared = {} if name == "gpt2" else _SIZES  # it calls them otherwise
    given = shared | {"vocab_size": len(tokenizer)} | ends | dict(family.settings)
    torch.manual_seed(3)
    config = getattr(transformers, family.config)(**given)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=family.attention).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(spread)
            else:  # norms and biases that are no neutral element
                weight.add_(torch.randn_like(weight), alpha=0.1)
    return model


def model_folder(name: str, source: Path, folder: Path, spread: float = 1.0) -> Path:
    """The same, written with the tokenizer of the folder `source`."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    random_model(name, tokenizer, spread).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
