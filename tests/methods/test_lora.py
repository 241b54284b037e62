"""LoRA: identity at the start, exact merging, one adapter through the sequence, its bad input."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from support.command import refused

from harness.config import AdapterConfig, ModelConfig, Quantization
from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.models.adapters.lora import load_adapter, new_adapter
from harness.models.adapters.stages import load_stage
from harness.models.loading import load_model
from harness.plan.checks import weights
from harness.plan.checks.run import validate
from harness.run.parent import Outcome, execute

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
        (
            ["method=lora_seqft", "method.adapter.targets=[q_proj,w_proj]"],
            "has no layer 'w_proj'; did you mean",
        ),
        (["method=lora_seqft", "method.adapter.targets=[input_layernorm]"], "has no layer 'input_"),
        (
            ["method=lora_seqft", "method.adapter.targets=[q_proj,no.v_proj]"],
            "no layer 'no.v_proj'",
        ),
    ],
)
def test_bad_input(overrides: list[str], told: str) -> None:
    assert told in refused(*overrides)


@pytest.mark.parametrize(
    "targets", ["[q_proj]", "[layers.0.self_attn.q_proj]", "[lm_head]", "[all-linear]"]
)
def test_layers_that_are_there(targets: str, tiny_run: list[str]) -> None:
    """Of a folder with weights; a tied head is in no file. Without files nothing is refused."""
    adapter = ["method=lora_seqft", f"method.adapter.targets={targets}"]
    validate(load([*tiny_run, *adapter]))
    validate(load([*tiny_run, "model.path=org/name", "method=lora_seqft"]))


@pytest.mark.distributed
def test_stacked_and_merged_adapters_are_one_function(
    tiny_run: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    model = settings(tiny_model)
    small = ["method.adapter.rank=2", "method.adapter.dropout=0", "eval.past=ends", "eval.limit=1"]
    found = {}
    for method in ("lora_stack", "lora_merge", "lora_seqft"):
        outcome = execute(load([*tiny_run, *small, f"method={method}"]))
        found[method] = [
            tmp_path / "store" / "train" / node.key
            for node in outcome.plan.nodes
            if node.kind == "train"
        ]
    for stage in (0, 1):
        stack, merge = (
            load_stage(model, found[name][stage], "fp32") for name in ("lora_stack", "lora_merge")
        )
        assert float((logits(stack) - logits(merge)).abs().max()) <= 2e-5
    one, sum_of_two = (load_stage(model, found[m][1], "fp32") for m in ("lora_seqft", "lora_stack"))
    assert float((logits(one) - logits(sum_of_two)).abs().max()) > 1e-4
    config = json.loads((found["lora_stack"][1] / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 64.0)
    assert (found["lora_merge"][1] / "model.safetensors").is_file()
    assert not (found["lora_merge"][1] / "adapter_config.json").exists()


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=lora_merge"], "nothing is merged into it; use method.adapter.between_tasks=keep"),
        (["method=lora_seqft", "engine=zero3"], "ZeRO 3 cuts no 4-bit weights; use engine=zero2"),
        (["method=lora_seqft"], "needs the package bitsandbytes: pip install"),
    ],
)
def test_what_a_quantized_model_is_not_for(
    overrides: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda package: None)
    with pytest.raises(ConfigError, match=re.escape(told)):
        validate(load([*overrides, "model.quantization=nf4"]))


def test_offload_of_weights_that_are_whole() -> None:
    with pytest.raises(ConfigError, match=r"engine\.offload=all needs ZeRO 3"):
        validate(load(["engine=zero2", "engine.offload=all"]))


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs bitsandbytes")
@pytest.mark.distributed
def test_an_adapter_is_trained_on_a_quantized_model(
    tiny_run: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    nf4 = ["model.quantization=nf4", "method.adapter.dropout=0", "eval.past=ends", "eval.limit=1"]
    outcome = execute(load([*tiny_run, "method=lora_seqft", *nf4]))
    last = [node for node in outcome.plan.nodes if node.kind == "train"][-1]
    model = ModelConfig(name="tiny", path=str(tiny_model), quantization=Quantization.nf4)
    base = logits(load_model(model, tiny_model, "fp32"))
    whole = logits(load_model(settings(tiny_model), tiny_model, "fp32"))
    trained = logits(load_stage(model, tmp_path / "store" / "train" / last.key, "fp32"))
    assert 0 < float((base - whole).abs().max()) < float(whole.std())
    assert float((trained - base).abs().max()) > 1e-3
