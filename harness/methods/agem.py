"""Averaged gradient episodic memory (A-GEM).

"Efficient Lifelong Learning with A-GEM" (arXiv 1812.00420, eq. 11): where the step's gradient g
opposes the gradient r of a random batch of earlier tasks' memory, its part along r is removed,

    g <- g - (g.r / r.r) r    if g.r < 0.

Both are whole gradients over all trained weights; ranks exchange only the two inner products. The
optimizer turns g into a step, so that under Adam the step itself may still oppose r.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from harness.methods.needs import Needs
from harness.methods.shared.projecting import Projecting
from harness.methods.stage import Stage
from harness.methods.view import Shard, State

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class AGEM(Projecting):
    """Project gradients that would raise the loss of the memory.

    ratio: part of each earlier task's training rows that the memory holds, in [0, 1]; 0 is
        sequential fine-tuning.
    batch_size: memory rows of one reference gradient, drawn anew at every step (one extra forward
        and backward pass of that size).
    """

    memory_name: ClassVar[str] = "agem"

    def needs(self) -> Needs:
        # The reference gradient beside the step's.
        return replace(super().needs(), host_copies=2 if self.memory.active else 0)

    def running(self) -> State:
        return super().running()  # its hook keeps nothing

    def gradients(self, stage: Stage) -> None:
        batch, view = self.memory.draw(stage, self.batch_size), stage.view
        if not batch:
            return
        reference = view.gradient_of(batch, host=True)
        (own, along), (_, square) = view.products([reference])
        self.removed = 0.0
        if along < 0:
            self.removed = -along / (own * square) ** 0.5
            part = along / square

            def projected(shard: Shard) -> "Tensor":
                grad = shard.grad
                return grad.sub_(reference[shard.name].to(grad.device), alpha=part)

            view.update_gradients(projected)
