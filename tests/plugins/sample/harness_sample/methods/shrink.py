"""Shrinking weights between tasks, theta <- factor theta.

The first half of shrink and perturb ("On Warm-Starting Neural Network Training", arXiv 1910.08475,
section 4), which keeps a network able to learn what comes next.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.base import Strategy

if TYPE_CHECKING:
    from harness.train.engine.view import View


@dataclass
class Shrink(Strategy):
    """Scale all trained weights when a task is over.

    factor: above 0, at most 1; 1 is sequential fine-tuning.
    """

    factor: float = 0.9

    def __post_init__(self) -> None:
        require_range("factor", self.factor, 0, 1, open_low=True)

    def finish_weights(self, view: "View", task: str) -> None:
        view.update_weights(lambda s: s.weight * self.factor)
