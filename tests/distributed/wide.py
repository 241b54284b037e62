"""An objective that takes much memory at every answer token, whatever the model."""

from dataclasses import dataclass

import torch

from harness.train.objectives import CrossEntropy


@dataclass
class Wide(CrossEntropy):
    """megabytes: for each token; they are asked for and never touched."""

    megabytes: int = 64

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        torch.empty(len(targets) * self.megabytes << 20, dtype=torch.uint8)
        return super().__call__(logits, targets)
