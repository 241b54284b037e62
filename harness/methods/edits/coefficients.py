"""Merges whose coefficients are learned by gradient descent on rows of the tasks' eval splits.

What is asked is the merged model itself, in which theta = theta_0 + sum_t c_t tau_t; the gradient
of a coefficient is the inner product of the weights' gradients with tau_t. So one whole model with
its gradient is in memory, whatever the number of models, and every step reads their files twice, a
weight at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.config.ranges import require_choice, require_finite, require_range
from harness.data.order import batch_indices
from harness.errors import DataError
from harness.methods.edits.base import Edit, Models
from harness.methods.edits.lessons import weights_of
from harness.store.pulse import beat

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

    from harness.data.encoding import Example
    from harness.methods.edits.lessons import Lessons

PER = ("tensor", "model")


@dataclass
class LearnedCoefficients(Edit):
    """Base: theta = theta_0 + sum_t c_t tau_t, tau_t = theta_t - theta_0.

    per: a coefficient for every tensor of every model (tensor), or for every model (model).
    start: all coefficients before the first step, any finite number.
    steps, learning_rate, weight_decay: of AdamW, which without weight decay is Adam.
    batch_size: rows of each task that a step sees.
    samples: rows of each task that there are to learn from; null = all.
    seed: which, and in which order.
    """

    abstract: ClassVar[bool] = True
    split: ClassVar[str] = "eval"
    fewest: ClassVar[int] = 2
    in_parts: ClassVar[bool] = True

    per: str = "tensor"
    start: float = 0.3
    steps: int = 100
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int = 16
    samples: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        require_choice("per", self.per, PER)
        require_finite("start", self.start)
        require_range("steps", self.steps, 0)
        require_range("learning_rate", self.learning_rate, 0, open_low=True)
        require_range("weight_decay", self.weight_decay, 0)
        require_range("batch_size", self.batch_size, 1)
        if self.samples is not None:
            require_range("samples", self.samples, 1)
        self.lessons: Lessons | None = None
        self.coefficients: dict[str, list[float]] = {}

    def learn_from(self, lessons: "Lessons") -> None:
        self.lessons = lessons

    def loss(self, model: Any, examples: "list[Example]") -> "Tensor":
        """What a step makes smaller, of rows of one task; tasks add up."""
        raise NotImplementedError

    def rate(self, step: int) -> float:
        """The factor of the learning rate at step 0, 1, ..."""
        return 1.0

    def bounded(self, coefficients: "Tensor") -> "Tensor":
        """The coefficients after a step, where they may not go everywhere."""
        return coefficients

    def passes(self, count: int) -> int:
        return 2 * self.steps

    def prepare(self, models: Models) -> dict[str, Any]:
        import torch

        model = self.lessons.load(self.lessons.base)
        weights = weights_of(model, models, self.lessons.base)
        rows = len(weights) if self.per == "tensor" else 1
        learned = torch.full((rows, models.count), self.start, dtype=torch.float64)
        optimizer = torch.optim.AdamW(
            [learned], lr=self.learning_rate, weight_decay=self.weight_decay
        )
        losses = []
        for step in range(self.steps):
            self._place(models, weights, learned)
            losses.append(self._backward(model, step))
            learned.grad = self._gradient(models, weights, learned)
            self.before_step(learned.grad)
            optimizer.param_groups[0]["lr"] = self.learning_rate * self.rate(step)
            optimizer.step()
            learned.copy_(self.bounded(learned))
        self._take(models, weights, learned)
        return self._told(learned, losses)

    def before_step(self, gradient: "Tensor") -> None:
        """Clip the gradient, in place."""

    def merge(self, name: str, base: "Tensor", tuned: "list[Tensor]") -> "Tensor":
        return _merged(base, tuned, self.coefficients[name])

    def _backward(self, model: Any, step: int) -> float:
        """Leaves the gradient of the loss in the weights, and returns it."""
        model.zero_grad(set_to_none=True)
        total = 0.0
        for number in range(len(self.lessons.tuned)):
            loss = self.loss(model, self._batch(number, step))
            loss.backward()
            total += float(loss.detach())
            beat()
        return total

    def _batch(self, number: int, step: int) -> "list[Example]":
        rows = self.lessons.rows[number]
        count = len(rows) if self.samples is None else self.samples
        rows = self.lessons.some(number, count, self.seed)
        task, size = rows[0].id.task, min(self.batch_size, len(rows))
        return [rows[i] for i in batch_indices(self.seed, task, step, len(rows), size)]

    def _place(self, models: Models, weights: "dict[str, Parameter]", learned: "Tensor") -> None:
        """Make the loaded model the merged one."""
        for name, own, weight in self._rows(weights, learned):
            base, tuned = models.read(name)
            weight.data.copy_(_merged(base, tuned, own.tolist()))

    def _gradient(
        self, models: Models, weights: "dict[str, Parameter]", learned: "Tensor"
    ) -> "Tensor":
        """The loss's gradient by the coefficients; weights lose theirs."""
        import torch

        found = torch.zeros_like(learned)
        for place, (name, _, weight) in enumerate(self._rows(weights, learned)):
            if weight.grad is None:  # of what a text alone does not use
                continue
            base, tuned = models.read(name)
            gradient = weight.grad.cpu()
            products = [(gradient * (one - base)).sum(dtype=torch.float64) for one in tuned]
            found[place % len(found)] += torch.stack(products)
            weight.grad = None
        if not found.isfinite().all():
            raise DataError(
                f"learning_rate={self.learning_rate}: the merged model has left the finite numbers"
            )
        return found

    def _rows(
        self, weights: "dict[str, Parameter]", learned: "Tensor"
    ) -> "Iterator[tuple[str, Tensor, Parameter]]":
        """Every weight with its coefficients, [models]."""
        for place, (name, weight) in enumerate(weights.items()):
            yield name, learned[place % len(learned)], weight

    def _take(self, models: Models, weights: "dict[str, Parameter]", learned: "Tensor") -> None:
        """The coefficients of every weight of the files; of those that the model does not train
        (buffers in floating point), the mean over tensors."""
        mean = learned.mean(0).tolist()
        self.coefficients = dict.fromkeys(models.sizes, mean)
        self.coefficients |= {n: own.tolist() for n, own, _ in self._rows(weights, learned)}

    def _told(self, learned: "Tensor", losses: list[float]) -> dict[str, Any]:
        ends = {"first": losses[0], "last": losses[-1]} if losses else {}
        spread = {"least": learned.amin(0), "mean": learned.mean(0), "most": learned.amax(0)}
        return {"losses": ends, "coefficients": {k: v.tolist() for k, v in spread.items()}}


def _merged(base: "Tensor", tuned: "list[Tensor]", coefficients: list[float]) -> "Tensor":
    merged = base.clone()
    for model, own in zip(tuned, coefficients, strict=True):
        merged.add_(model - base, alpha=own)
    return merged
