"""Model soups: the average of models tuned from one start.

Uniform: "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
increasing inference time" (arXiv 2203.05482), table 1. With weights: "Rewarded soups" (arXiv
2306.04488), eq. 1, where they are the user's preferences over the models.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.edits.base import Edit

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Soup(Edit):
    """theta = sum_t w_t theta_t; the base is not an ingredient.

    weights: one number in [0, 1] for each tuned model, summing to 1; without them each gets 1/T.
    """

    weights: list[float] | None = None

    in_parts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for weight in self.weights or []:
            require_range("weights", weight, 0, 1)
        if self.weights is not None and abs(sum(self.weights) - 1) > 1e-6:
            raise ConfigError(f"weights={self.weights}: they sum to {sum(self.weights)}, not to 1")

    def check_count(self, count: int) -> None:
        super().check_count(count)
        if self.weights is not None and len(self.weights) != count:
            raise ConfigError(f"weights: {len(self.weights)} of them for {count} tuned models")

    def merge(self, name: str, base: "Tensor", tuned: "list[Tensor]") -> "Tensor":
        if self.weights is None:
            return sum(tuned[1:], start=tuned[0]) / len(tuned)
        mixed = tuned[0] * self.weights[0]
        for weight, model in zip(self.weights[1:], tuned[1:], strict=True):
            mixed = mixed.add_(model, alpha=weight)
        return mixed
