"""MagMax: of every weight's changes over the stages, the largest.

"MagMax: Leveraging Model Merging for Seamless Continual Learning" (arXiv 2407.06322), section 4:
the models are those of one sequence, each tuned from the one before (`method.edit.experts=
sequential`), and changes are counted from the initial model.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.methods.edits.base import TaskVectorEdit

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class MagMax(TaskVectorEdit):
    """theta = theta_0 + scale * tau, where tau has of each weight the tau_t = theta_t - theta_0 of
    the largest magnitude, of equals the latest.

    scale: factor of the merged vector; the authors' code takes 0.5.
    """

    scale: float = 0.5

    in_parts: ClassVar[bool] = True

    def vector(self, name: str, vectors: "list[Tensor]") -> "Tensor":
        largest = vectors[0]
        for later in vectors[1:]:
            largest = later.where(later.abs() >= largest.abs(), largest)
        return largest
