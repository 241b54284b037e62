"""MIGU on a model whose linear layers hold their outputs in columns (GPT-2's Conv1D)."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from harness.config.compose.compose import load
from harness.run.parent import execute


@pytest.fixture
def gpt2(tiny_model: Path, tmp_path: Path) -> Path:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    torch.manual_seed(0)
    size = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), **size, **ends))
    model.save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    return tmp_path / "gpt2"


@pytest.mark.distributed
def test_columns_of_small_outputs_stay(gpt2: Path, tiny_run: list[str], tmp_path: Path) -> None:
    """After Adam's first step a weight without gradient is where it was."""
    rules = ["method=migu", "method.migu.from_task=1", "train.max_steps=1", "eval.limit=1"]
    config = load([*tiny_run, *rules, f"model.path={gpt2}", "task=[copy]", "eval.stage0=false"])
    (node,) = (n for n in execute(config).plan.nodes if n.kind == "train")
    before = load_file(gpt2 / "model.safetensors")
    after = load_file(tmp_path / "store" / "train" / node.key / "model.safetensors")
    masked = [name for name in before if "c_" in name and name.endswith("weight")]
    assert len(masked) == 8
    for name in masked:
        moved = (after[name] != before[name]).any(dim=0)  # [outputs]
        kept = len(moved) - int(0.7 * len(moved))
        assert 0 < int(moved.sum()) <= kept, name
