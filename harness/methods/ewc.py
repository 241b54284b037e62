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

import random
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from harness.config.ranges import require_range
from harness.data.randomness import derive_seed
from harness.errors import ConfigError
from harness.methods.anchored import Anchor, Anchored

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.batches import MicroBatch
    from harness.data.encoding import Example
    from harness.data.task_data import TaskData
    from harness.train.engine.sharded_file import SavedState
    from harness.train.engine.view import Shard, Sharded, TokenLoss, View


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

    def needs_history(self) -> bool:
        return self.strength > 0

    def carries_weights(self) -> bool:
        return self.strength > 0 or super().carries_weights()

    def before_task(self, view: "View", task: str) -> None:
        super().before_task(view, task)
        if self.saved is None or self.strength == 0:
            return
        self.importance = self.saved.sharded("fisher", view)
        if self.variant is Variant.per_task:
            self.anchors = self.saved.sharded("centre", view)

    def adds_gradient(self) -> bool:
        return self.strength > 0

    def edit_gradients(self, view: "View", step: int, total_steps: int) -> None:
        if self.importance is not None:
            view.update_gradients(self._penalised)

    def _penalised(self, shard: "Shard") -> "Tensor":
        distance = shard.weight - self.anchors[shard.name]
        return shard.grad.addcmul_(self.importance[shard.name], distance, value=self.strength)

    def after_task(self, view: "View", task: str, data: "TaskData") -> None:
        if self.strength == 0:
            return
        new = self._estimate(view, task, data)
        old = self.importance
        total = {k: f if old is None else self.gamma * old[k] + f for k, f in new.items()}
        if self.variant is Variant.per_task:
            centres = view.weights()
            if old is not None:
                for name, centre in centres.items():
                    share = new[name] / total[name].clamp(min=1e-30)
                    centre.copy_(self.anchors[name].lerp(centre, share))
            self.anchors = centres
        self.importance = total

    def _estimate(self, view: "View", task: str, data: "TaskData") -> "Sharded":
        """Mean over groups of examples of the squared gradient of their mean log-likelihood."""
        source = random.Random(derive_seed("ewc", view.seed, task))
        count = min(self.num_samples, len(data.examples))
        chosen = source.sample(range(len(data.examples)), count)
        width = self.batch_size if self.fisher is Fisher.batched else 1
        groups = [chosen[start : start + width] for start in range(0, count, width)]
        total = {shard.name: shard.weight.zero_() for shard in view.shards()}
        for group in groups:
            examples = [data.examples[index] for index in group]
            scale = _answer_tokens(examples) / len(examples)  # of the mean over tokens
            for name, gradient in view.gradient_of(examples, self._loss(view, task, group)).items():
                total[name].addcmul_(gradient, gradient, value=scale**2 / len(groups))
        return total

    def _loss(self, view: "View", task: str, group: list[int]) -> "TokenLoss | None":
        if self.fisher is not Fisher.sampled_labels:
            return None
        return _Sampled(derive_seed("ewc-label", view.seed, task, group[0]))

    def state_dict(self) -> tuple[dict[str, Any], dict[str, Any]]:
        tensors, plain = super().state_dict()
        if self.importance is not None:
            tensors["fisher"] = self.importance
            if self.variant is Variant.per_task:
                tensors["centre"] = self.anchors
        return tensors, plain

    def load_state_dict(self, saved: "SavedState", plain: dict[str, Any]) -> None:
        self.saved = saved


@dataclass
class _Sampled:
    """Cross entropy of tokens drawn from the model's own distribution."""

    seed: int

    def __call__(self, batch: "MicroBatch", logits: "Tensor") -> "Tensor":
        import torch

        generator = torch.Generator().manual_seed(self.seed)
        chances = logits.detach().float().softmax(-1).cpu()
        drawn = torch.multinomial(chances, 1, generator=generator)[:, 0].to(logits.device)
        return torch.nn.functional.cross_entropy(logits.float(), drawn, reduction="none")


def _answer_tokens(examples: "list[Example]") -> int:
    return sum(len(example.answer_ids) for example in examples)
