"""FGGM: a task trains the rows of its matrices on which its own loss hangs most.

"FGGM: Fisher-Guided Gradient Masking for Continual Learning" (arXiv 2601.18261). Before a task's
first step the diagonal Fisher information of its rows is estimated,

    F_i = mean over rows of (d log p(y | x) / d theta_i)^2,

summed over the inputs of every output (one score a row of a matrix), and the gradient of the
`threshold` part of the rows with the smallest scores is set to zero throughout the task.

A sum grows with the number of inputs, so that with one threshold for the whole model wide matrices
take the places of narrow ones: `normalise: mean` and `scope: per_tensor` leave that out. Masked are
the matrices inside the model's blocks and the factors of adapters; embeddings, head, norms and
experts that are fused into one tensor are not. As with MIGU gradients are masked, and nothing else:
weight decay still moves masked rows, and so do Adam's moments where they are carried over.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from harness.config import AdapterConfig, BetweenTasks
from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.shared.fisher import drawn, mean_square
from harness.methods.shared.subspace import block_matrices, transposed
from harness.methods.stage import Stage
from harness.methods.view import SavedState, Shard, Sharded, State, View

if TYPE_CHECKING:
    from torch import Tensor


class Normalise(Enum):
    sum = "sum"
    mean = "mean"


# Not as a class: one of its words is Python's own.
Scope = Enum("Scope", {"global": "global", "per_tensor": "per_tensor"})


@dataclass
class FGGM(Strategy):
    """Mask gradient rows by the Fisher information of the coming task.

    threshold: part of the rows that is masked, in [0, 1); 0 is sequential fine-tuning.
    num_samples: rows of the task that F is estimated on; null = all, as in the paper.
    batch_size: rows whose mean gradient is squared; the paper's F takes one at a time, and more are
        cheaper.
    normalise: sum | mean over a row's inputs. scope: global | per_tensor, the rows among which the
        threshold is drawn; the paper's is sum and global.
    from_task: the first task with masks, counted from 1.
    """

    threshold: float = 0.7
    num_samples: int | None = None
    batch_size: int = 1
    normalise: Normalise = Normalise.sum
    scope: Scope = Scope["global"]
    from_task: int = 2

    def __post_init__(self) -> None:
        require_range("threshold", self.threshold, 0, 0.999999)
        require_range("batch_size", self.batch_size, 1)
        require_range("from_task", self.from_task, 1)
        if self.num_samples is not None:
            require_range("num_samples", self.num_samples, 1)
        self.masks: dict[str, Tensor] = {}  # of each masked matrix, [outputs], 1 where trained
        self.transposed: set[str] = set()  # matrices that are [inputs, outputs]

    def needs(self) -> Needs:
        active = self.threshold > 0
        # F, and the gradient that joins it.
        copies = 2 if active else 0
        history = active and self.from_task > 1
        return Needs(history=history, bounds_gradient=True, copies=copies)

    def join_adapter(self, adapter: AdapterConfig | None) -> None:
        fresh = adapter is not None and adapter.between_tasks is not BetweenTasks.keep
        if fresh and self.threshold > 0:
            raise ConfigError(
                "threshold: a fresh adapter's B is zero and tells nothing of A's importance; use "
                "method.adapter.between_tasks=keep"
            )

    def prepare_model(self, stage: Stage, model: Any) -> Any:
        self.transposed = transposed(model)
        return model

    def start(self, stage: Stage) -> None:
        if self.threshold == 0 or stage.position < self.from_task:
            return
        groups = drawn(stage, "fggm", self.num_samples, self.batch_size)
        scores = self._scores(stage.view, mean_square(stage, groups))
        if self.scope is Scope.per_tensor:
            self.masks = {name: self._largest(score) for name, score in scores.items()}
        else:
            import torch

            mask = self._largest(torch.cat(list(scores.values())))
            pieces = mask.split([len(score) for score in scores.values()])
            self.masks = dict(zip(scores, pieces, strict=True))

    def _scores(self, view: View, fisher: Sharded) -> "dict[str, Tensor]":
        """Of each matrix, the sum or mean of F over the inputs of every output, [outputs]; one
        reduction for all."""
        import torch

        sizes = {name: self._outputs(view, name) for name in block_matrices(view.shapes)}
        parts = {name: torch.zeros(size, device=view.device) for name, size in sizes.items()}
        for shard in view.shards():
            if shard.name in parts:
                place = self._spread(shard, torch.arange(sizes[shard.name], device=view.device))
                parts[shard.name].index_add_(0, place, fisher[shard.name])
        whole = view.sum_over_shards(torch.cat(list(parts.values())))
        found = dict(zip(parts, whole.split(list(sizes.values())), strict=True))
        if self.normalise is Normalise.mean:
            for name, score in found.items():
                score.mul_(sizes[name] / view.shapes[name].numel())
        return found

    def _outputs(self, view: View, name: str) -> int:
        return view.shapes[name][1 if name in self.transposed else 0]

    def _spread(self, shard: Shard, values: "Tensor") -> "Tensor":
        """One value an output, for each element of the shard."""
        by_column = shard.name in self.transposed
        return shard.by_column(values) if by_column else shard.by_row(values)

    def _largest(self, scores: "Tensor") -> "Tensor":
        """1 for all but the `threshold` part with the smallest scores, else 0."""
        mask = scores.new_zeros(len(scores))
        mask[scores.topk(len(scores) - int(self.threshold * len(scores))).indices] = 1.0
        return mask

    def gradients(self, stage: Stage) -> None:
        if self.masks:
            stage.view.update_gradients(self._masked)

    def _masked(self, shard: Shard) -> "Tensor | None":
        mask = self.masks.get(shard.name)
        return None if mask is None else shard.grad * self._spread(shard, mask)

    def figures(self, stage: Stage) -> dict[str, float]:
        """mask_density: share of the trained weights whose gradient is kept."""
        shapes, off = stage.view.shapes, 0.0
        for name, mask in self.masks.items():
            off += float((1 - mask).sum()) * shapes[name].numel() / len(mask)
        return {"mask_density": 1 - off / max(sum(s.numel() for s in shapes.values()), 1)}

    def running(self) -> State:
        import torch

        return State({"masks": torch.cat(list(self.masks.values()))} if self.masks else {})

    def resume(self, stage: Stage, saved: SavedState) -> None:
        if self.threshold == 0 or stage.position < self.from_task:
            return
        names = block_matrices(stage.view.shapes)
        masks = saved.tensor("masks").to(stage.view.device)
        pieces = masks.split([self._outputs(stage.view, name) for name in names])
        self.masks = dict(zip(names, pieces, strict=True))
