"""What is refused before any rank waits for another."""

from typing import Any

import pytest
import torch

from harness.config import EngineConfig, TrainConfig
from harness.errors import StageFailed
from harness.train.engine.partitioned import partition


def test_a_new_parameter_without_values_is_named() -> None:
    model = torch.nn.Module()
    model.old = torch.nn.Parameter(torch.empty(2, device="meta"))
    model.new = torch.nn.Parameter(torch.empty(2, device="meta"))
    stored: Any = {"old"}
    with pytest.raises(StageFailed, match=r"^new: a parameter on torch.s device meta"):
        partition(model, stored, EngineConfig(), TrainConfig(1, 1e-3), None)  # type: ignore
