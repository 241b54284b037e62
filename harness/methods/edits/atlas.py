"""aTLAS: task vectors stretched tensor by tensor, by what a few solved rows ask for.

"Knowledge Composition using Task Vectors with Learned Anisotropic Scaling" (arXiv 2407.02880),
section 3: the scaling is a block-diagonal matrix with one number for every parameter tensor.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.ranges import require_range
from harness.methods.edits.coefficients import LearnedCoefficients

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.encoding import Example


@dataclass
class ATLAS(LearnedCoefficients):
    """theta = theta_0 + sum_t Lambda_t tau_t, Lambda_t diagonal with one value a tensor, which
    makes the cross entropy of the answers of a few rows small: a mean over answer tokens, a sum
    over tasks.

    per: model gives every task vector one coefficient (isotropic, the paper's comparison).
    clip: largest norm of the coefficients' gradient.
    samples: rows of each task's eval split, the paper's shots (1 to 16).
    Defaults are those of the authors' code for few shots: from 0, 100 steps of AdamW at 0.1, down
    to 0 along a cosine, decay 0.1, clip 1; a batch there is 128 rows, here all of them at most.
    """

    start: float = 0.0
    learning_rate: float = 0.1
    weight_decay: float = 0.1
    batch_size: int = 128
    samples: int | None = 16
    clip: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("clip", self.clip, 0, open_low=True)

    def loss(self, model: Any, examples: "list[Example]") -> "Tensor":
        import torch

        batch = self.lessons.batch(examples)
        logits = model(**batch.inputs).logits[batch.answer_rows, batch.answer_columns]
        return torch.nn.functional.cross_entropy(logits.float(), batch.targets)

    def rate(self, step: int) -> float:
        return (1 + math.cos(math.pi * step / self.steps)) / 2

    def before_step(self, gradient: "Tensor") -> None:
        gradient.mul_((self.clip / gradient.norm().clamp(min=1e-30)).clamp(max=1))
