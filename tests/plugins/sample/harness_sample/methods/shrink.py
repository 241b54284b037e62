"""Shrinking weights between tasks, theta <- factor theta.

The first half of shrink and perturb ("On Warm-Starting Neural Network Training", arXiv 1910.08475,
section 4), which keeps a network able to learn what comes next.
"""

from dataclasses import dataclass

from harness.methods import Stage, Strategy, require_range


@dataclass
class Shrink(Strategy):
    """Scale all trained weights when a task is over.

    factor: above 0, at most 1; 1 is sequential fine-tuning.
    """

    factor: float = 0.9

    def __post_init__(self) -> None:
        require_range("factor", self.factor, 0, 1, open_low=True)

    def finish(self, stage: Stage) -> None:
        stage.view.update_weights(lambda s: s.weight * self.factor)
