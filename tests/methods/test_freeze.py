"""Which blocks are frozen where ZeRO 3 has cut the weights already."""

from types import SimpleNamespace
from typing import Any

import torch

from harness.methods.freeze import FreezeBottom


def test_blocks_are_found_by_the_sizes_of_whole_weights() -> None:
    """The larger of two stacks, whose tensors are empty."""
    model = torch.nn.Module()
    for stack, size in (("few", 1), ("many", 100)):
        blocks = torch.nn.ModuleList(torch.nn.Linear(1, 1, bias=False) for _ in range(2))
        for block in blocks:
            block.weight.data = torch.empty(0)
            block.weight.ds_numel = size
        model.add_module(stack, blocks)
    stage: Any = SimpleNamespace(position=2)
    FreezeBottom(layers=1).prepare_model(stage, model)
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert frozen == ["many.0.weight"]
