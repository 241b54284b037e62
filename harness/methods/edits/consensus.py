"""Consensus merging: keep of a merged vector what at least k tasks make use of.

"Localizing Task Information for Improved Model Merging and Compression" (arXiv 2405.07813), eq. 5
(the TALL masks) and section 5 (consensus).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.edits.base import Models, Parts, TaskVectorEdit
from harness.methods.edits.loading import load_merge

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Consensus(TaskVectorEdit):
    """m_t = [|tau_t| > lam |tau - tau_t|]; theta = theta_0 + scale * tau * [sum_t m_t >= agree],
    with tau the merged vector of all tasks.

    lam: how hard it is for a weight to count as a task's own, 0 or more; the paper chooses it from
        0.2 to 0.6.
    agree: number of tasks that have to make use of a weight; 1 removes what none uses, 2 also what
        one alone uses.
    merge_with: the edit that makes tau: TaskArithmetic (the default) or TIES, without its scale.
    scale: factor of the merged vector.
    """

    lam: float = 0.4
    agree: int = 2
    merge_with: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("lam", self.lam, 0)
        if self.agree < 0:
            raise ConfigError(f"agree={self.agree}: it must be 0 or more")
        self.inner = load_merge(self.merge_with)

    def by_parts(self) -> bool:
        return self.inner.by_parts()

    def check_count(self, count: int) -> None:
        super().check_count(count)
        if count < self.agree:
            raise ConfigError(f"agree={self.agree}: there are {count} tuned models only")

    def passes(self, count: int) -> int:
        return self.inner.passes(count)

    def prepare(self, models: Models) -> dict[str, Any]:
        return self.inner.prepare(models)

    def survey(self, name: str, parts: Parts) -> None:
        self.inner.survey(name, parts)

    def vector(self, name: str, vectors: "list[Tensor]") -> "Tensor":
        merged = self.inner.vector(name, vectors)
        used = merged.new_zeros(merged.shape)
        for vector in vectors:
            used += vector.abs() > self.lam * (merged - vector).abs()
        return merged.masked_fill(used < self.agree, 0)
