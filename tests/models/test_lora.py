"""Which parameters are an adapter's, against PEFT's own models, and sums of adapters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from harness.config import AdapterConfig, ModelConfig
from harness.errors import StageFailed
from harness.models.adapters.lora import (
    adapted_layer,
    combine,
    factor_of,
    is_adapted,
    is_exported,
    merged,
    new_adapter,
)
from harness.models.adapters.stages import finish_stage
from harness.models.loading import load_model

RANK = 3


def small() -> torch.nn.Module:
    """Two layers, of which the first is adapted."""
    torch.manual_seed(0)
    return torch.nn.ModuleDict({"first": torch.nn.Linear(5, 4), "second": torch.nn.Linear(4, 2)})


def adapted(rank: int = RANK) -> torch.nn.Module:
    config = AdapterConfig(rank=rank, alpha=2.0 * rank, dropout=0.0, targets=["first"])
    model = new_adapter(_Model(small()), config)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
            assert factor_of(name)
    return model


class _Model(torch.nn.Module):
    """What PEFT asks of a language model: a configuration."""

    def __init__(self, layers: torch.nn.Module) -> None:
        super().__init__()
        self.layers, self.config = layers, {"model_type": "none"}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers["second"](self.layers["first"](x))

    def prepare_inputs_for_generation(self) -> None:
        """PEFT looks for it."""


def test_factors_are_told_by_their_shapes() -> None:
    shapes = {
        factor_of(name): tuple(parameter.shape)
        for name, parameter in adapted().named_parameters()
        if factor_of(name)
    }
    assert shapes == {"A": (RANK, 5), "B": (4, RANK)}
    assert factor_of("model.lora_embedding_A.default") == "A"
    assert factor_of("model.layers.0.lora_Adapter.weight") is None


def test_the_adapter_alone_is_exported_of_an_adapted_model() -> None:
    plain, model = small(), adapted()
    assert not is_adapted(plain)
    assert all(is_exported(plain, name, p) for name, p in plain.named_parameters())
    assert is_adapted(model)
    model.requires_grad_(False)
    exported = [name for name, p in model.named_parameters() if is_exported(model, name, p)]
    assert sorted(map(factor_of, exported)) == ["A", "B"]


def test_the_adapted_layer_of_a_factor() -> None:
    model = adapted()
    found = {name: adapted_layer(model, name) for name, _ in model.named_modules()}
    layers = {name: layer for name, layer in found.items() if layer is not None}
    assert {factor_of(name) for name in layers} == {"B"}
    first = model.get_submodule("base_model.model.layers.first")
    assert all(layer is first for layer in layers.values())


def test_a_combined_adapter_is_the_sum_of_both(tmp_path: Path) -> None:
    x, start = torch.rand(6, 5), small()
    outputs = []
    for name, rank in (("before", 2), ("now", 3)):
        model = adapted(rank)
        model.save_pretrained(tmp_path / name)
        with torch.no_grad():
            layer = model.get_submodule("base_model.model.layers.first")
            outputs.append(layer(x) - start["first"](x))
    combine(tmp_path / "before", tmp_path / "now")
    config = json.loads((tmp_path / "now" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (5, 10.0)
    whole = merged(_Model(small()), tmp_path / "now")
    with torch.no_grad():
        change = whole.layers["first"](x) - start["first"](x)
    assert torch.allclose(change, sum(outputs), atol=1e-5)
    assert sorted(path.name for path in (tmp_path / "now").iterdir()) == sorted(
        path.name for path in (tmp_path / "before").iterdir()
    )


def test_adapters_of_other_layers_are_not_combined(tmp_path: Path) -> None:
    for name in ("before", "now"):
        adapted().save_pretrained(tmp_path / name)
    file = tmp_path / "before" / "adapter_model.safetensors"
    renamed = {name.replace("first", "second"): t for name, t in load_file(file).items()}
    save_file(renamed, file)
    with pytest.raises(StageFailed, match="has other layers than the one of"):
        combine(tmp_path / "before", tmp_path / "now")


# An adapter of a tiny model as a stage leaves it; names of modules in a set have another order in
# every process whose hashes are others.
STAGE = """
import sys
from pathlib import Path
from harness.config import AdapterConfig, ModelConfig
from harness.models.adapters.lora import new_adapter
from harness.models.adapters.stages import finish_stage
from harness.models.loading import load_model
model, folder = ModelConfig(path=sys.argv[1]), Path(sys.argv[2])
adapter = AdapterConfig(rank=2, targets=["q_proj", "k_proj", "v_proj", "o_proj", "up_proj"])
new_adapter(load_model(model, sys.argv[1], "fp32"), adapter).save_pretrained(folder)
finish_stage(model, adapter, sys.argv[1], 1, folder)
"""


def test_a_stage_describes_its_adapter_in_the_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    told = []
    for seed in ("1", "2", "3"):
        folder = tmp_path / seed
        words = [sys.executable, "-c", STAGE, str(tiny_model), str(folder)]
        subprocess.run(words, check=True, env=os.environ | {"PYTHONHASHSEED": seed})
        told.append((folder / "adapter_config.json").read_bytes())
    assert told[0] == told[1] == told[2]
    assert json.loads(told[0])["target_modules"] == sorted(json.loads(told[0])["target_modules"])


def test_a_stage_names_its_base_from_anywhere_and_fills_its_card(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base is named relative to the folder of the run, and loaded from another one."""
    import peft

    monkeypatch.chdir(tiny_model.parent)
    model = ModelConfig(name="tiny", path=tiny_model.name)
    adapter = AdapterConfig(rank=2, targets=["q_proj"])
    made = new_adapter(load_model(model, model.path, "fp32"), adapter)
    made.save_pretrained(tmp_path)
    assert "Model Card for Model ID" in (tmp_path / "README.md").read_text()
    finish_stage(model, adapter, model.path, 1, tmp_path)
    monkeypatch.chdir(tmp_path)
    loaded = peft.AutoPeftModelForCausalLM.from_pretrained(str(tmp_path))
    assert loaded.peft_config["default"].base_model_name_or_path == str(tiny_model)
    head, text = (tmp_path / "README.md").read_text().removeprefix("---\n").split("---\n", 1)
    assert yaml.safe_load(head)["base_model"] == str(tiny_model)
    assert "# tiny, stage 1: a LoRA adapter" in text
    assert f"Of rank 2 (alpha {adapter.alpha:g}), on `q_proj` of `{tiny_model}`" in text
    assert "[More Information Needed]" not in text
