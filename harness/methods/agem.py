"""Averaged gradient episodic memory (A-GEM).

"Efficient Lifelong Learning with A-GEM" (arXiv 1812.00420, eq. 11): where the step's gradient g
opposes the gradient r of a random batch of earlier tasks' memory, its part along r is removed,

    g <- g - (g.r / r.r) r    if g.r < 0.

Both are whole gradients over all trained weights; ranks exchange only the two inner products. The
optimizer turns g into a step, so that under Adam the step itself may still oppose r.
"""

from dataclasses import dataclass

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.gem import PROJECTION
from harness.methods.memory import Memory
from harness.methods.needs import Needs
from harness.methods.stage import Stage
from harness.methods.view import State


@dataclass
class AGEM(Strategy):
    """Project gradients that would raise the loss of the memory.

    ratio: part of each earlier task's training rows that the memory holds, in [0, 1]; 0 is
        sequential fine-tuning.
    batch_size: memory rows of one reference gradient, drawn anew at every step (one extra forward
        and backward pass of that size).
    """

    ratio: float = 0.1
    batch_size: int = 32

    def __post_init__(self) -> None:
        self.memory = Memory("agem", ratio=self.ratio)
        require_range("batch_size", self.batch_size, 1)

    def needs(self) -> Needs:
        active = self.memory.active
        return Needs(history=active, rows=active, group=PROJECTION, bounds_gradient=True)

    def memory_rows(self) -> int:
        return len(self.memory)

    def start(self, stage: Stage) -> None:
        self.memory.collect(stage)

    def running(self) -> State:
        return State()  # the draws hang on the step alone

    def gradients(self, stage: Stage) -> None:
        batch, view = self.memory.draw(stage, self.batch_size), stage.view
        if not batch:
            return
        reference = view.gradient_of(batch)
        along = view.dot(view.gradients(), reference)
        if along < 0:
            part = along / view.dot(reference, reference)
            view.update_gradients(lambda s: s.grad.sub_(reference[s.name], alpha=part))
