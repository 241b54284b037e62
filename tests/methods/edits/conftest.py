"""Models tuned from the tiny model: random changes, so that no two weights are alike."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def weights() -> Callable[[Path], Weights]:
    """All tensors of a folder, whether in one file or in shards."""

    def read(folder: Path) -> Weights:
        found: Weights = {}
        for path in sorted(folder.glob("model*.safetensors")):
            found |= load_file(path)
        return found

    return read


@pytest.fixture(scope="session")
def changed(weights: Callable[[Path], Weights]) -> Callable[..., Path]:
    """A copy of a model folder with every weight moved by seeded noise."""

    def make(source: Path, out: Path, seed: int, dtype: torch.dtype | None = None) -> Path:
        shutil.copytree(source, out)
        generator = torch.Generator().manual_seed(seed)
        moved = {
            name: (value + 0.02 * torch.randn(value.shape, generator=generator)).to(
                dtype or value.dtype
            )
            for name, value in weights(source).items()
        }
        save_file(moved, out / "model.safetensors", metadata={"format": "pt"})
        return out

    return make


@pytest.fixture(scope="session")
def tuned(
    tiny_model: Path, changed: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Three models tuned from `tiny_model`."""
    root = tmp_path_factory.mktemp("tuned")
    return [changed(tiny_model, root / f"t{seed}", seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="session")
def adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter on `tiny_model` with random factors and a rank and alpha of its own for one
    projection."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("adapter") / "lora"
    torch.manual_seed(5)
    config = LoraConfig(
        r=4,
        lora_alpha=12,
        target_modules=["q_proj", "v_proj", "down_proj", "embed_tokens"],
        rank_pattern={"v_proj": 2},
        alpha_pattern={"v_proj": 10},
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.1 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    return folder
