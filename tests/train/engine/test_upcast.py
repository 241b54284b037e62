"""A bf16 module that computes in fp32 for a moment, against the whole module in fp32."""

import copy
from pathlib import Path

import torch

from harness.config import ModelConfig
from harness.models.loading import load_model
from harness.train.engine.probe import packs_exactly
from harness.train.engine.upcast import in_fp32

IDS = torch.tensor([[3, 5, 9, 30, 7, 20, 61]])


def test_the_module_is_the_fp32_one_meanwhile(tiny_model: Path) -> None:
    model = load_model(ModelConfig(name="tiny", path=str(tiny_model)), tiny_model, "bf16")
    places = {name: p.data_ptr() for name, p in model.named_parameters()}
    wide = copy.deepcopy(model).float()
    with torch.no_grad(), in_fp32(model):
        assert model(IDS).logits.equal(wide(IDS).logits)
    assert {name: p.data_ptr() for name, p in model.named_parameters()} == places
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    with in_fp32(model):
        assert packs_exactly(model)
