"""Task arithmetic: add the task vectors.

"Editing Models with Task Arithmetic" (arXiv 2212.04089), section 2.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.config.ranges import require_choice
from harness.methods.edits.base import TaskVectorEdit

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class TaskArithmetic(TaskVectorEdit):
    """theta = theta_0 + scale * sum_t tau_t, with tau_t = theta_t - theta_0.

    scale: factor of the merged vector; negative forgets a task. The paper tunes it, 0.3 to 0.4 for
        eight tasks.
    normalise: sum (the paper's), or mean: the sum over T.
    """

    scale: float = 0.4
    normalise: str = "sum"

    in_parts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("normalise", self.normalise, ("sum", "mean"))

    def vector(self, name: str, vectors: "list[Tensor]") -> "Tensor":
        total = sum(vectors[1:], start=vectors[0])
        return total / len(vectors) if self.normalise == "mean" else total
