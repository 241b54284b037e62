"""Elastic weight consolidation.

"Overcoming catastrophic forgetting in neural networks" (arXiv 1612.00796, eq. 3): the penalty
lambda / 2 sum_i F_i (theta_i - anchor_i)^2 with the diagonal Fisher information F of earlier tasks.
Its gradient lambda F (theta - anchor) joins the step's gradient before clipping, once a step.

Per task (the paper): one penalty for each earlier task k around theta*_k. Their sum is one penalty
with F = sum_k F_k around the F-weighted mean of the theta*_k, so two tensors suffice (Huszar, "Note
on the quadratic penalties in elastic weight consolidation", arXiv 1712.03847). Online ("Progress &
Compress", arXiv 1805.06370): F <- gamma F + F_t around the anchor. F decays here when the next
task's F_t joins it, and the penalty takes it as it is.

F_t after task t, over `num_samples` of its examples, with log p the log-likelihood of the whole
answer (summed over its tokens):

- empirical: mean over examples of (d log p(answer) / d theta)^2; one backward pass an example;
- sampled_labels: the same with every answer token drawn from the model at that place of the true
  answer, the Fisher information proper;
- batched: mean over batches of the squared mean gradient; cheaper by the batch size, and smaller by
  about as much, since gradients cancel before they are squared.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.needs import Needs
from harness.methods.shared.anchored import Anchor, Anchored
from harness.methods.shared.fisher import drawn, mean_square
from harness.methods.stage import Stage
from harness.methods.view import Loss, SavedState, Shard, Sharded, State

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from harness.methods.forward import Pass


class Fisher(Enum):
    empirical = "empirical"
    sampled_labels = "sampled_labels"
    batched = "batched"


class Variant(Enum):
    online = "online"
    per_task = "per_task"


@dataclass
class EWC(Anchored):
    """Penalise distance from the anchor where earlier tasks' Fisher information is large.

    strength: lambda, 0 or more (400 in the paper's Atari study); 0 is sequential fine-tuning.
    fisher: empirical | sampled_labels | batched.
    num_samples: examples of a finished task that F is estimated on.
    batch_size: of fisher=batched.
    variant: online | per_task. gamma: decay of older tasks' F in [0, 1], online only.
    anchor: as of every anchored strategy; per_task defines its own and takes `previous` only.
    """

    strength: float = 400.0
    fisher: Fisher = Fisher.empirical
    num_samples: int = 128
    batch_size: int = 8
    variant: Variant = Variant.online
    gamma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("strength", self.strength, 0)
        require_range("num_samples", self.num_samples, 1)
        require_range("batch_size", self.batch_size, 1)
        require_range("gamma", self.gamma, 0, 1)
        if self.variant is Variant.per_task:
            if self.gamma != 1:
                raise ConfigError(f"gamma={self.gamma}: variant=per_task has no decay; use online")
            if self.anchor is not Anchor.previous:
                raise ConfigError("anchor=initial: variant=per_task anchors each task at its own")
        self.importance: Sharded | None = None

    def needs(self) -> Needs:
        active = self.strength > 0
        carries = active or super().needs().carries_weights
        # While it measures: the anchors, the old Fisher information, the new one and their sum.
        most = (5 if self.variant is Variant.per_task else 4) if active else 1
        return Needs(history=active, carries_weights=carries, adds_gradient=active, copies=most)

    def start(self, stage: Stage) -> None:
        super().start(stage)
        self._read(stage)

    def _read(self, stage: Stage) -> None:
        """What the earlier tasks left."""
        if self.saved is None or self.strength == 0:
            return
        self.importance = self.saved.sharded("fisher", stage.view)
        if self.variant is Variant.per_task:
            self.anchors = self.saved.sharded("centre", stage.view) or {}

    def gradients(self, stage: Stage) -> None:
        if self.importance is not None:
            stage.view.update_gradients(self._penalised)

    def _penalised(self, shard: Shard) -> "Tensor":
        distance = shard.weight - self.anchors[shard.name]
        return shard.grad.addcmul_(self.importance[shard.name], distance, value=self.strength)

    def figures(self, stage: Stage) -> dict[str, float]:
        """penalty: lambda / 2 sum_i F_i (theta_i - anchor_i)^2; 0 before there is an F."""
        importance = self.importance
        if importance is None:
            return {"penalty": 0.0, **super().figures(stage)}
        weighed = self._sum(
            stage, lambda away, name, part: importance[name][part].double() @ (away * away)
        )
        return {"penalty": self.strength / 2 * weighed, **super().figures(stage)}

    def measure(self, stage: Stage) -> None:
        if self.strength == 0:
            return
        new, old = self._estimate(stage), self.importance
        total = new
        if old is not None:  # in place: a third copy of the weights' size is not there
            total = {name: old[name].mul_(self.gamma).add_(fisher) for name, fisher in new.items()}
        if self.variant is Variant.per_task:
            centres = stage.view.weights()
            if old is not None:
                for name, centre in centres.items():
                    share = new[name] / total[name].clamp(min=1e-30)
                    centre.copy_(self.anchors[name].lerp(centre, share))
            self.anchors = centres
        self.importance = total

    def _estimate(self, stage: Stage) -> Sharded:
        """Mean over groups of examples of the squared gradient of their mean log-likelihood."""
        width = self.batch_size if self.fisher is Fisher.batched else 1
        groups = drawn(stage, "ewc", self.num_samples, width)
        return mean_square(stage, groups, lambda first: self._likelihood(stage, first))

    def _likelihood(self, stage: Stage, first: int) -> Loss | None:
        if self.fisher is not Fisher.sampled_labels:
            return None
        return lambda made: of_drawn_labels(made, stage.generator("ewc-label", first))

    def state(self) -> State:
        if self.importance is None:
            return super().state()
        centre = {"centre": self.anchors} if self.variant is Variant.per_task else {}
        kept = super().state()
        return replace(kept, sharded={**kept.sharded, "fisher": self.importance, **centre})

    def running(self) -> State:
        return super().running()  # `resume` reads the rest from the stage before

    def resume(self, stage: Stage, saved: SavedState) -> None:
        super().resume(stage, saved)
        self._read(stage)


def of_drawn_labels(made: "Pass", generator: "Generator") -> "Tensor":
    """Cross entropy of tokens drawn from the model's own distribution, [n]."""
    import torch

    chances = made.logits.detach().float().softmax(-1).cpu()
    drawn = torch.multinomial(chances, 1, generator=generator)[:, 0].to(made.logits.device)
    return torch.nn.functional.cross_entropy(made.logits.float(), drawn, reduction="none")
