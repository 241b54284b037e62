"""A point on the straight line between two stages of a sequence.

"Linear Mode Connectivity and the Lottery Ticket Hypothesis" (arXiv 1912.05671), section 2, and for
continual learning "Linear Mode Connectivity in Multitask and Continual Learning" (arXiv
2010.04495): whether the loss rises on the way from one stage's weights to another's.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.edits.base import Edit, Trial

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Between(Edit):
    """theta = (1 - alpha) * theta_s + alpha * theta_t, t being the stage that is edited; the models
    are those of one sequence (`method.edit.experts=sequential`).

    alpha: how far, in [0, 1]; 0 gives stage s back, 1 stage t.
    start: s, 1 or more. Stages up to it stay what they are.
    """

    alpha: float = 0.5
    start: int = 1

    fewest: ClassVar[int] = 2
    in_parts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_range("alpha", self.alpha, 0, 1)
        require_range("start", self.start, 1)

    def check_count(self, count: int) -> None:
        super().check_count(count)
        if self.start > count:
            raise ConfigError(f"start={self.start}: there are {count} models; use 1 to {count}")

    def select(self, tuned: list[Path], trial: Trial) -> tuple[list[Path], dict[str, Any]]:
        first = tuned[min(self.start, len(tuned)) - 1]
        return [first, tuned[-1]], {"alpha": self.alpha, "start": self.start}

    def merge(self, name: str, base: "Tensor", tuned: "list[Tensor]") -> "Tensor":
        first, last = tuned
        return first.lerp(last, self.alpha)
