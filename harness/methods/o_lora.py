"""O-LoRA: each task's adapter in directions that the earlier ones do not use.

"Orthogonal Subspace Learning for Language Model Continual Learning" (arXiv 2310.14152). Every task
has a fresh adapter beside the frozen earlier ones, and the loss gains, for each adapted layer,

    paper:    lambda_1 sum_{i<t} |B_i' B_t|^2      (eq. 8: the update's columns, which are B's)
    upstream: lambda_1 sum_{i<t} sum |A_i A_t'|    (what the released code penalises: A, in L1)

and lambda_2 times the L2 norms of A_t and B_t. The gradients are exact and enter once a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.needs import Adapter, Needs
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State, View
from harness.models.adapters.lora import factor_of

if TYPE_CHECKING:
    from torch import Tensor


class Penalty(Enum):
    paper = "paper"
    upstream = "upstream"


@dataclass
class OLoRA(Strategy):
    """Penalise overlap with the earlier adapters.

    lambda_1: of the overlap, 0 or more; the released code takes 0.5 for its penalty, and the two
        forms are of different size.
    lambda_2: of the new adapter's norms, 0 or more.
    penalty: paper | upstream.
    """

    lambda_1: float = 0.5
    lambda_2: float = 0.0
    penalty: Penalty = Penalty.paper

    def __post_init__(self) -> None:
        require_range("lambda_1", self.lambda_1, 0)
        require_range("lambda_2", self.lambda_2, 0)
        self.saved: SavedState | None = None
        self.earlier: dict[str, Tensor] = {}

    def needs(self) -> Needs:
        return Needs(
            history=self.lambda_1 > 0 and self.lambda_2 == 0,
            adapter=Adapter.stacked,
            adds_gradient=self.lambda_1 > 0 or self.lambda_2 > 0,
        )

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def start(self, stage: Stage) -> None:
        if self.saved is not None:
            found = {name: self.saved.tensor(name) for name in self.saved.values["names"]}
            self.earlier = {name: value.to(stage.view.device) for name, value in found.items()}

    def running(self) -> State:
        return State()  # the earlier adapters are those that `load` gave

    def gradients(self, stage: Stage) -> None:
        view, added = stage.view, {}
        for name in view.shapes:
            extra = self._gradient(view, name)
            if extra is not None:
                added[name] = extra
        if added:
            view.update_gradients(
                lambda s: s.grad + s.cut(added[s.name]) if s.name in added else None
            )

    def _gradient(self, view: View, name: str) -> "Tensor | None":
        overlap = self.lambda_1 > 0 and name in self.earlier
        if not overlap and self.lambda_2 == 0:
            return None
        whole = view.gather(name)
        extra = whole * 0.0
        if overlap and self.penalty is Penalty.upstream and factor_of(name) == "A":
            old = self.earlier[name]  # [earlier ranks, inputs]
            extra = self.lambda_1 * (whole @ old.T).sign() @ old
        if overlap and self.penalty is Penalty.paper and factor_of(name) == "B":
            old = self.earlier[name]  # [outputs, earlier ranks]
            extra = 2 * self.lambda_1 * old @ (old.T @ whole)
        norm = whole.norm()
        if self.lambda_2 > 0 and norm > 0:
            extra = extra + self.lambda_2 * whole / norm
        return extra

    def measure(self, stage: Stage) -> None:
        import torch

        view = stage.view
        for name in self._adapted(list(view.shapes)):
            new = view.gather(name)
            parts = [self.earlier[name], new] if name in self.earlier else [new]
            self.earlier[name] = torch.cat(parts, dim=0 if factor_of(name) == "A" else 1)

    def _adapted(self, names: Sequence[str]) -> list[str]:
        kept = "A" if self.penalty is Penalty.upstream else "B"
        return [name for name in names if factor_of(name) == kept]

    def state(self) -> State:
        return State(dict(self.earlier), values={"names": sorted(self.earlier)})
