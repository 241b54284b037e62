"""Gradient episodic memory (GEM).

"Gradient Episodic Memory for Continual Learning" (arXiv 1706.08840, eqs. 8-11): with g the step's
gradient and the rows of G those of earlier tasks' memories, the nearest g~ with G g~ >= 0 is

    g~ = G'v + g,   v = argmin 1/2 v'GG'v + (Gg)'v,  v >= 0,

solved where any inner product G_k.g is negative; then a margin is added to every v (section 3; the
authors' code asks for v >= margin instead, which is less where a constraint binds). All are whole
gradients over the trained weights, not one problem per matrix: ranks exchange the t x t products
alone. Costs for each earlier task a backward pass, and in main memory an fp32 copy of the
gradient's shards.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from harness.config.ranges import require_range
from harness.methods.needs import Needs
from harness.methods.shared.projecting import Projecting
from harness.methods.stage import Stage
from harness.methods.view import Shard, State

if TYPE_CHECKING:
    from torch import Tensor


SWEEPS, ENOUGH = 10_000, 1e-14


@dataclass
class GEM(Projecting):
    """Project the gradient so that no earlier task's memory gets worse, to first order.

    ratio: part of each earlier task's training rows that its memory holds, in [0, 1]; 0 is
        sequential fine-tuning.
    batch_size: memory rows of each task's gradient, drawn anew at every step.
    margin: added to the solution, 0 or more; the paper's "memory strength".
    """

    memory_name: ClassVar[str] = "gem"

    batch_size: int = 16
    margin: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("margin", self.margin, 0)

    def needs(self) -> Needs:
        if not self.memory.active:
            return super().needs()
        # The step's gradient, and one of each task before.
        return replace(super().needs(), host_copies=1, host_copies_a_task=1)

    def running(self) -> State:
        return super().running()  # its hook keeps nothing

    def gradients(self, stage: Stage) -> None:
        view = stage.view
        batches = [self.memory.draw(stage, self.batch_size, name) for name in self.memory.tasks]
        if not batches:
            return
        past = [view.gradient_of(batch, host=True) for batch in batches]
        (own, *along), *rows = view.products(past)
        self.removed = 0.0
        if not any(product < 0 for product in along):
            return
        gram = [row[1:] for row in rows]
        weights = [v + self.margin for v in dual(gram, along)]
        added = sum(
            v * m * w
            for v, row in zip(weights, gram, strict=True)
            for m, w in zip(row, weights, strict=True)
        )
        self.removed = (max(added, 0.0) / own) ** 0.5 if own > 0 else 0.0

        def projected(shard: Shard) -> "Tensor":
            grad = shard.grad
            for weight, one in zip(weights, past, strict=True):
                grad.add_(one[shard.name].to(grad.device), alpha=weight)
            return grad

        view.update_gradients(projected)


def dual(gram: list[list[float]], along: list[float]) -> list[float]:
    """argmin over v >= 0 of 1/2 v'Mv + a'v for M = `gram` [t, t], a = `along` [t].

    Coordinate descent, exact in the limit for a positive semidefinite M; t is small.
    """
    v = [0.0] * len(along)
    for _ in range(SWEEPS):
        moved = 0.0
        for k, row in enumerate(gram):
            if row[k] <= 0:
                continue
            slope = along[k] + sum(m * x for m, x in zip(row, v, strict=True))
            new = max(0.0, v[k] - slope / row[k])
            moved = max(moved, abs(new - v[k]) * row[k] ** 0.5)
            v[k] = new
        if moved < ENOUGH:
            break
    return v
