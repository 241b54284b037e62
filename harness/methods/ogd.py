"""Orthogonal gradient descent (OGD): steps leave earlier outputs as they are, to first order.

"Orthogonal Gradient Descent for Continual Learning" (arXiv 1910.07104, algorithm 1). At the end of
a task gradients of the model's output at some of its rows join an orthonormal basis v_1, v_2, ...
(Gram-Schmidt); every later gradient loses its part along them,

    g <- g - sum_k (g . v_k) v_k.

The paper's form for many classes takes the logit of the true one. Of an answer of several tokens we
take the mean of the true tokens' logits, one gradient a row. With `of: loss` the gradient is that
of the row's loss, as implementations for language models have it: where a row is learned its
loss has little gradient, and the direction kept is another one.

All are whole gradients over the trained weights. The basis lies in main memory, an fp32 copy of the
trained weights for each direction, cut to the ranks: with all weights of a large model there is
room for few, with an adapter for many. As in the paper gradients are projected, and nothing else:
under Adam the step itself may have a part along the basis.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.shared.fisher import drawn
from harness.methods.shared.subspace import extend, products
from harness.methods.stage import Stage
from harness.methods.view import SavedState, Shard, Sharded, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


class Of(Enum):
    logit = "logit"
    loss = "loss"


@dataclass
class OGD(Strategy):
    """Project each gradient off the directions that earlier tasks' rows gave.

    memories: rows of each task that add a direction, at most; 0 is sequential fine-tuning. The
        paper takes 200, TRACE means 150.
    of: logit | loss, whose gradient is kept.
    """

    memories: int = 20
    of: Of = Of.logit

    def __post_init__(self) -> None:
        require_range("memories", self.memories, 0)
        self.saved: SavedState | None = None
        self.basis: list[Sharded] = []
        self.removed = 0.0  # of the last step: length of what was taken away / of its gradient

    def needs(self) -> Needs:
        active = self.memories > 0
        return Needs(
            history=active,
            carries_weights=active,
            bounds_gradient=True,
            group="gradient projection",
            copies=1 if active else 0,
            # What the task adds, and what those before it have added.
            host_copies=self.memories,
            host_copies_a_task=self.memories,
        )

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def start(self, stage: Stage) -> None:
        from harness.models.memory import in_main_memory

        count = 0 if self.saved is None else self.saved.values.get("count", 0)
        for index in range(count):
            one = self.saved.sharded(f"basis_{index}", stage.view) or {}
            self.basis.append({name: in_main_memory(values) for name, values in one.items()})

    def gradients(self, stage: Stage) -> None:
        if not self.basis:
            return
        grads = stage.view.gradients()
        # `grads` beside them: the last product is the gradient's own square.
        *along, own = products(stage.view, grads, [*self.basis, grads])
        self.removed = (sum(part * part for part in along) / own) ** 0.5 if own > 0 else 0.0

        def projected(shard: Shard) -> "Tensor":
            grad = grads.pop(shard.name)
            for part, one in zip(along, self.basis, strict=True):
                grad.sub_(one[shard.name].to(grad.device), alpha=part)
            return grad

        stage.view.update_gradients(projected)

    def figures(self, stage: Stage) -> dict[str, float]:
        """projected_share: |g~ - g| / |g| of the step, 0 before there is a basis."""
        return {"projected_share": self.removed}

    def measure(self, stage: Stage) -> None:
        if self.memories == 0:
            return
        view, own = stage.view, stage.own.examples
        loss = _true_logits if self.of is Of.logit else None
        rows = (own[index] for (index,) in drawn(stage, "ogd", self.memories, 1))
        vectors = (view.gradient_of([row], loss, host=True) for row in rows)
        self.basis = extend(view, self.basis, vectors)

    def state(self) -> State:
        sharded = {f"basis_{index}": one for index, one in enumerate(self.basis)}
        return State(sharded=sharded, values={"count": len(self.basis)})

    def running(self) -> State:
        return State()  # the basis is that of the stage before, which `start` reads


def _true_logits(made: "Pass") -> "Tensor":
    """The logit of each answer token, [n]."""
    return made.logits.float().gather(-1, made.batch.targets[:, None])[:, 0]
