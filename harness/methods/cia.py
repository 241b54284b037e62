"""Balanced averaging of the weights: how much of a step enters the average is told by gradients.

"Large Continual Instruction Assistant" (arXiv 2410.10868, section 3). After every optimizer step,
for each parameter tensor by itself, with g the step's gradient (before clipping), g' the gradient
of the step before, theta the new weights and |.|_1 the sum of absolute values,

    average <- (1 - a) average + a theta,
    published:  a = 2 (1 + |g|_1) / (|theta - average|_1 |g - g'|_1),
    invariant:  a = |g|_1 |theta - theta'|_1 / (|theta - average|_1 |g - g'|_1),

theta' being the weights before the step; where a is not in (0, 1), and at the first step of a task,
which has no g', a is `floor`. At the end of the task the average becomes the model. The first form
is that of the released code: sums of a tensor of n weights make it fall like 1 / n, so that large
matrices hardly move, and it changes with the scale of the loss. The second is ours: the paper's
second derivative (g - g') per unit of weight is |g - g'|_1 / |theta - theta'|_1, with which the
step that would annul g is compared with the distance to the average; it depends on neither. The
1 of the published form, which stands for no quantity of the model, is left out there.

The paper averages from the second task on (`from_task`), and wherever a new adapter begins not at
all; its other half, which picks an adapter by the wording of instructions, is not part of this.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.stage import Stage
from harness.methods.view import SavedState, Sharded, State

if TYPE_CHECKING:
    from torch import Tensor


class Form(Enum):
    published = "published"
    invariant = "invariant"


@dataclass
class CIA(Strategy):
    """Leave each task with an average of its trajectory whose weight follows the gradients.

    form: published | invariant.
    floor: a where the formula gives none, in [0, 1]; the released code: 0.01.
    from_task: the first task that is averaged, counted from 1.
    """

    form: Form = Form.published
    floor: float = 0.01
    from_task: int = 2

    def __post_init__(self) -> None:
        require_range("floor", self.floor, 0, 1)
        require_range("from_task", self.from_task, 1)
        # Which of the two are there is the same on all ranks, of which one may hold no weight.
        self.averages, self.stepped = False, False
        self.average: Sharded = {}
        self.before: Sharded = {}  # the gradient of the step before
        self.gradient: Sharded = {}
        self.last: Sharded = {}  # the weights before the step
        self.taken = 0.0  # mean of a over the tensors at the last step

    def needs(self) -> Needs:
        # The average and two gradients; the weights before the step.
        copies = 3 if self.form is Form.published else 4
        return Needs(history=self.from_task > 1, copies=copies)

    def start(self, stage: Stage) -> None:
        if stage.position >= self.from_task:
            self.averages, self.average = True, stage.view.weights()

    def gradients(self, stage: Stage) -> None:
        if stage.position < self.from_task:
            return
        self.gradient = stage.view.gradients()
        if self.form is Form.invariant:
            self.last = stage.view.weights()

    def weights(self, stage: Stage) -> None:
        if stage.position < self.from_task:
            return
        shares = self._shares(stage)
        self.taken = sum(shares.values()) / len(shares)
        for shard in stage.view.shards():
            self.average[shard.name].lerp_(shard.weight, shares[shard.name])
        self.before, self.gradient, self.last = self.gradient, {}, {}
        self.stepped = True

    def _shares(self, stage: Stage) -> dict[str, float]:
        """Collective. a of every trained tensor; all norms in one exchange."""
        import torch

        view, names = stage.view, list(stage.view.shapes)
        if not stage.view.sum_over_ranks(len(self.before)):
            return dict.fromkeys(names, self.floor)
        place = {name: index for index, name in enumerate(names)}
        norms = torch.zeros(4, len(names), dtype=torch.float64, device=view.device)
        for shard in view.shards():
            name, weight = shard.name, shard.weight
            norms[0, place[name]] = _norm(weight - self.average[name])
            norms[1, place[name]] = _norm(self.gradient[name])
            norms[2, place[name]] = _norm(self.gradient[name] - self.before[name])
            if self.last:
                norms[3, place[name]] = _norm(weight - self.last[name])
        away, slope, turned, moved = view.sum_over_shards(norms)
        published = self.form is Form.published
        shares = (2 * (1 + slope) if published else slope * moved) / (away * turned)
        return {
            name: share if 0 < share < 1 else self.floor
            for name, share in zip(names, shares.tolist(), strict=True)
        }

    def figures(self, stage: Stage) -> dict[str, float]:
        """average_share: a, the mean over the trained tensors."""
        return {"average_share": self.taken}

    def finish(self, stage: Stage) -> None:
        if stage.position >= self.from_task:
            stage.view.update_weights(lambda s: self.average[s.name])

    def running(self) -> State:
        kept = {"average": self.average} if self.averages else {}
        return State(sharded=kept | ({"before": self.before} if self.stepped else {}))

    def resume(self, stage: Stage, saved: SavedState) -> None:
        average, before = (saved.sharded(name, stage.view) for name in ("average", "before"))
        self.averages, self.stepped = average is not None, before is not None
        self.average, self.before = average or {}, before or {}


def _norm(values: "Tensor") -> "Tensor":
    return values.double().abs().sum()
