"""LoRA: identity at the start, exact merging, one adapter through the sequence, its bad input."""

from pathlib import Path

import pytest
import torch
from conftest import refused

from harness.compose import load
from harness.config import AdapterConfig, ModelConfig
from harness.modeling import load_adapter, load_model, load_stage, new_adapter
from harness.run import Outcome, execute

IDS = torch.tensor([[0, 5, 9, 30, 7, 200, 61]])


def settings(folder: Path) -> ModelConfig:
    return ModelConfig(name="tiny", path=str(folder))


def logits(model: torch.nn.Module) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        return model(IDS).logits


def test_a_fresh_adapter_is_the_base_model(tiny_model: Path) -> None:
    model = settings(tiny_model)
    base = logits(load_model(model, tiny_model, "fp32"))
    adapted = new_adapter(load_model(model, tiny_model, "fp32"), AdapterConfig())
    assert torch.equal(logits(adapted), base)


@pytest.fixture
def trained(tiny_run: list[str]) -> Outcome:
    return execute(load([*tiny_run, "method=lora_seqft", "eval.past=ends", "eval.limit=1"]))


@pytest.mark.distributed
def test_a_stage_is_an_adapter_and_merges_exactly(
    trained: Outcome, tiny_model: Path, tmp_path: Path
) -> None:
    model = settings(tiny_model)
    stages = [
        tmp_path / "store" / "train" / node.key
        for node in trained.plan.nodes
        if node.kind == "train"
    ]
    base = logits(load_model(model, tiny_model, "fp32"))
    seen = []
    for folder in stages:
        assert (folder / "adapter_model.safetensors").is_file()
        assert not (folder / "model.safetensors").exists()
        adapted = load_adapter(load_model(model, tiny_model, "fp32"), folder, trainable=False)
        merged = load_stage(model, folder, "fp32")
        assert float((logits(adapted) - logits(merged)).abs().max()) <= 1e-5
        assert float((logits(merged) - base).abs().max()) > 1e-3
        seen.append(logits(merged))
    assert not torch.equal(seen[0], seen[1])


def test_all_linear_layers(tiny_model: Path) -> None:
    model = settings(tiny_model)
    adapter = AdapterConfig(rank=2, targets=["all-linear"])
    adapted = new_adapter(load_model(model, tiny_model, "fp32"), adapter)
    names = {n.split(".")[-4] for n, p in adapted.named_parameters() if p.requires_grad}
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=seqft", "method.adapter.rank=4"], "trains no adapter; use method=lora_seqft"),
        (["method=lora_seqft", "method.adapter.rank=0"], "method.adapter.rank=0: it must be"),
        (["method=lora_seqft", "method.adapter.rank=-3"], "method.adapter.rank=-3: it must be"),
        (["method=lora_seqft", "method.adapter.dropout=1"], "method.adapter.dropout=1.0"),
        (["method=lora_seqft", "method.adapter.rnak=4"], "method.adapter.rnak"),
        (["method=lora_seqft", "method.adapter.targets=[]"], "name at least one layer"),
    ],
)
def test_bad_input(overrides: list[str], told: str) -> None:
    assert told in refused(*overrides)
