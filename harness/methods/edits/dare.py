"""DARE: drop most of what was learned at random, and scale the rest up.

"Language Models are Super Mario: Absorbing Abilities from Homologous Models as a Free Lunch" (arXiv
2311.03099), eqs. 1 to 3: the expectation of a task vector stays what it was.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.ranges import require_range
from harness.data.randomness import derive_seed
from harness.methods.edits.base import Models, Parts, TaskVectorEdit
from harness.methods.edits.loading import load_merge

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class DARE(TaskVectorEdit):
    """theta = theta_0 + scale * merge(d_1, ..., d_T), d_t = m_t tau_t / (1 - drop), where every
    entry of m_t is 0 with probability `drop`, else 1, and tau_t = theta_t - theta_0.

    drop: in [0, 0.999]; 0 is the edit of `merge_with`. The paper finds 0.9 to be harmless.
    seed: of what is dropped; each tensor of each model draws for itself.
    scale: factor of the merged vector, any finite number.
    merge_with: the edit that merges the vectors, without its scale: TaskArithmetic (the default,
        the sum) or TIES, say.
    """

    drop: float = 0.9
    seed: int = 0
    merge_with: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("drop", self.drop, 0, 0.999)
        self.inner: TaskVectorEdit = load_merge(self.merge_with)

    def check_count(self, count: int) -> None:
        self.inner.check_count(count)

    def passes(self, count: int) -> int:
        return self.inner.passes(count)

    def prepare(self, models: Models) -> dict[str, Any]:
        return self.inner.prepare(_Left(models, self))

    def survey(self, name: str, parts: Parts) -> None:
        self.inner.survey(name, [self.left(name, *part) for part in parts])

    def vector(self, name: str, vectors: "list[Tensor]") -> "Tensor":
        return self.inner.vector(name, [self._left(name, *one) for one in enumerate(vectors)])

    def left(
        self, name: str, base: "Tensor", tuned: "list[Tensor]"
    ) -> "tuple[Tensor, list[Tensor]]":
        """What is left of the task vectors, as models beside a base of zeros."""
        vectors = (model - base for model in tuned)
        return base.new_zeros(base.shape), [self._left(name, *one) for one in enumerate(vectors)]

    def _left(self, name: str, number: int, vector: "Tensor") -> "Tensor":
        import torch

        source = torch.Generator().manual_seed(derive_seed("dare", self.seed, number, name))
        kept = torch.rand(vector.shape, generator=source) >= self.drop
        return vector * kept / (1 - self.drop)


class _Left:
    """Models as an inner edit sees them that looks at all weights first."""

    def __init__(self, models: Models, edit: DARE) -> None:
        self.count, self.sizes = models.count, models.sizes
        self._models, self._edit = models, edit

    def read(self, name: str) -> "tuple[Tensor, list[Tensor]]":
        return self._edit.left(name, *self._models.read(name))
