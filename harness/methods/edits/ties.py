"""TIES merging: trim small changes, elect a sign for each weight, average those that agree.

"TIES-Merging: Resolving Interference When Merging Models" (arXiv 2306.01708), algorithm 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.config.ranges import require_choice, require_range
from harness.methods.edits.base import Models, Parts, TaskVectorEdit

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class TIES(TaskVectorEdit):
    """tau_t keeps its largest entries; s = sign(sum_t tau_t); tau = mean of the tau_t with sign s;
    theta = theta_0 + scale * tau.

    density: share of the entries of each task vector that is kept, in (0, 1].
    trim: the share is taken of each tensor (tensor, as peft and mergekit do) or of the whole model
        (global, the paper's; two more passes over the weights).
    combine: mean over the tasks that agree (the paper's), or their sum.
    Entries as large as the smallest kept one are kept too (peft and mergekit keep some of them, to
    meet the count); bf16 weights have many. A zero sum counts as positive.
    """

    density: float = 0.2
    trim: str = "tensor"
    combine: str = "mean"

    in_parts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("density", self.density, 0, 1, open_low=True)
        require_choice("trim", self.trim, ("tensor", "global"))
        require_choice("combine", self.combine, ("mean", "sum"))
        self.thresholds: list[float] = []  # of each task, of the weight at hand or of all

    def passes(self, count: int) -> int:
        return 2 if self.trim == "global" else 0

    def prepare(self, models: Models) -> dict[str, Any]:
        if self.trim != "global":
            return {}
        from harness.methods.edits.kth_largest import kth_largest_streamed

        def magnitudes() -> "Iterator[list[Tensor]]":
            for name in models.sizes:
                base, tuned = models.read(name)
                yield [(model - base).abs_() for model in tuned]

        self.thresholds = kth_largest_streamed(magnitudes, self._kept(sum(models.sizes.values())))
        return {"trimmed below": self.thresholds}

    def survey(self, name: str, parts: Parts) -> None:
        if self.trim == "global":
            return
        import torch

        from harness.methods.edits.kth_largest import kth_largest

        changes = [[(model - base).flatten() for model in tuned] for base, tuned in parts]
        sizes = [torch.cat(pieces).abs_() for pieces in zip(*changes, strict=True)]
        self.thresholds = [kth_largest(size, self._kept(size.numel())) for size in sizes]

    def vector(self, name: str, vectors: "list[Tensor]") -> "Tensor":
        trimmed = [
            vector.masked_fill(vector.abs() < threshold, 0)
            for vector, threshold in zip(vectors, self.thresholds, strict=True)
        ]
        positive = sum(trimmed[1:], start=trimmed[0]) >= 0
        agreeing = trimmed[0].new_zeros(trimmed[0].shape)
        for vector in trimmed:
            agrees = (vector != 0) & ((vector > 0) == positive)
            vector.masked_fill_(~agrees, 0)
            agreeing += agrees
        total = sum(trimmed[1:], start=trimmed[0])
        return total.div_(agreeing.clamp_(min=1)) if self.combine == "mean" else total

    def _kept(self, total: int) -> int:
        return max(1, int(self.density * total))
