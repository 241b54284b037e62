"""O-LoRA: each task's adapter in directions that the earlier ones do not use.

"Orthogonal Subspace Learning for Language Model Continual Learning" (arXiv 2310.14152). Every task
has a fresh adapter beside the frozen earlier ones, and the loss gains, for each adapted layer,

    paper:    lambda_1 sum_{i<t} |B_i' B_t|^2      (eq. 8: the update's columns, which are B's)
    upstream: lambda_1 sum_{i<t} sum |A_i A_t'|    (what the released code penalises: A, in L1)

and lambda_2 times the L2 norms of A_t and B_t. (c A, B / c) is the same update for every c, and
with it both change: training can make either small by shrinking the factor that it sees, and leave
the overlap as it is. Two forms of ours cannot be evaded so:

    cosine:   lambda_1 sum_{i<t} sum cos(a, a')^2  (over the rows a of A_i and a' of A_t)
    delta:    lambda_1 sum_{i<t} |(B_i A_i)' (B_t A_t)|^2   (paper's, of the updates themselves)

The gradients are exact and enter once a step.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.needs import Adapter, Needs
from harness.methods.shared.beside import Beside, add_gradients, penalty_gradients
from harness.methods.stage import Stage
from harness.methods.view import State, View
from harness.models.adapters.lora import factor_of, partner_of

if TYPE_CHECKING:
    from torch import Tensor


class Penalty(Enum):
    paper = "paper"
    upstream = "upstream"
    cosine = "cosine"
    delta = "delta"


KEPT = {Penalty.paper: "B", Penalty.upstream: "A", Penalty.cosine: "A", Penalty.delta: "AB"}


@dataclass
class OLoRA(Beside):
    """Penalise overlap with the earlier adapters.

    lambda_1: of the overlap, 0 or more; the released code takes 0.5 for its penalty, and the forms
        are of different size.
    lambda_2: of the new adapter's norms, 0 or more.
    penalty: paper | upstream | cosine | delta.
    """

    lambda_1: float = 0.5
    lambda_2: float = 0.0
    penalty: Penalty = Penalty.paper

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("lambda_1", self.lambda_1, 0)
        require_range("lambda_2", self.lambda_2, 0)

    def needs(self) -> Needs:
        return Needs(
            history=self.lambda_1 > 0 and self.lambda_2 == 0,
            adapter=Adapter.stacked,
            adds_gradient=self.lambda_1 > 0 or self.lambda_2 > 0,
        )

    def kept_factors(self) -> str:
        return KEPT[self.penalty]

    def running(self) -> State:
        return super().running()  # its hook keeps nothing

    def gradients(self, stage: Stage) -> None:
        view, added = stage.view, {}
        for name in view.shapes:
            extra = self._gradient(view, name)
            if extra is not None:
                added[name] = extra
        if self.lambda_1 > 0 and self.penalty in (Penalty.cosine, Penalty.delta):
            for name, extra in penalty_gradients(view, self._overlap).items():
                added[name] = added.get(name, 0.0) + extra
        add_gradients(view, added)

    def _gradient(self, view: View, name: str) -> "Tensor | None":
        """Of the published penalties, and of the norms."""
        published = self.penalty in (Penalty.paper, Penalty.upstream)
        overlap = self.lambda_1 > 0 and published and name in self.earlier
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

    def _overlap(self, name: str, a: "Tensor", b: "Tensor") -> "Tensor | None":
        if name not in self.earlier:
            return None
        if self.penalty is Penalty.cosine:
            return self.lambda_1 * cosine_overlap(self.earlier[name], a)
        return self.lambda_1 * delta_overlap(
            self.earlier[name], self.earlier[partner_of(name)], a, b
        )


def cosine_overlap(old_a: "Tensor", a: "Tensor") -> "Tensor":
    """Sum of the squared cosines between the rows of [earlier ranks, inputs] and [rank, inputs]."""
    from torch.nn.functional import normalize

    return (normalize(old_a, dim=1) @ normalize(a, dim=1).T).square().sum()


def delta_overlap(old_a: "Tensor", old_b: "Tensor", a: "Tensor", b: "Tensor") -> "Tensor":
    """Sum over the earlier tasks i of |(B_i A_i)' B A|^2, by products of the size of ranks: with
    M = B_i' B it is trace(M' (A_i A_i') M (A A'))."""
    rank, total = len(a), a.new_zeros(())
    within = a @ a.T
    for first in range(0, len(old_a), rank):
        rows = old_a[first : first + rank]
        across = old_b[:, first : first + rank].T @ b
        total = total + ((rows @ rows.T @ across) * (across @ within)).sum()
    return total
