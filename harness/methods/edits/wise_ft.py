"""WiSE-FT: a straight line between the initial and the fine-tuned weights.

"Robust fine-tuning of zero-shot models" (arXiv 2109.01903), section 3: weight-space ensembling.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.config.ranges import require_range
from harness.methods.edits.base import Edit

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class WiSEFT(Edit):
    """theta = theta_0 + alpha (theta_1 - theta_0), for one tuned model.

    alpha: in [0, 1]; 0 is the base and 1 the tuned model, bit for bit.
    """

    alpha: float = 0.5

    most: ClassVar[int | None] = 1
    in_parts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_range("alpha", self.alpha, 0, 1)

    def merge(self, name: str, base: "Tensor", tuned: "list[Tensor]") -> "Tensor":
        return base.lerp(tuned[0], self.alpha)
