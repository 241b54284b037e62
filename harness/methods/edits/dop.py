"""DOP: models join one after the other, each pair by a search for weights that change neither along
the directions in which the merge so far has moved nor along those of the new model.

"Continual Model Merging without Data: Dual Projections for Balancing Stability and Plasticity"
(NeurIPS 2025).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.edits.base import TaskVectorEdit
from harness.models.weights.blocks import is_embedding
from harness.store.pulse import beat

if TYPE_CHECKING:
    from torch import Tensor

OLD, NEW = 0, 1


@dataclass
class DOP(TaskVectorEdit):
    """theta = theta_0 + scale * D_T; D_1 = tau_1, and of a linear layer's matrix D_t is what
    `steps` of Adam (0.9, 0.999) from (D_(t-1) + tau_t) / 2 make of
    w L(D_(t-1)) + (1 - w) L(tau_t), with

    L(A) = |S U^T (D - A)|^2 + |(D - A) V S|^2, A = U S V^T without its least singular values.

    Other tensors are that mean. With `adaptive`, w follows min_w |w G_old + (1 - w) G_new|, each G
    a gradient divided by its loss, by an exponential mean. A pair of which one loss is 0 has none
    (published: a division by 0) and leaves w. The products are made with the factors U S and V S,
    which are thin where changes have low rank.

    energy: share of the sum of singular values up to which they count; the one that reaches it does
        not. The paper's code takes 0.99999.
    learning_rate, steps: of Adam; 0 steps are the pairwise mean.
    balance: w, or with `adaptive` its first value.
    decay: of the mean of w, in [0, 1].
    scale: factor of the merged vector; the paper's is 1.
    """

    energy: float = 0.99999
    learning_rate: float = 1e-4
    steps: int = 200
    balance: float = 0.8
    adaptive: bool = True
    decay: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("energy", self.energy, 0, 1)
        require_range("learning_rate", self.learning_rate, 0, open_low=True)
        require_range("steps", self.steps, 0)
        require_range("balance", self.balance, 0, 1)
        require_range("decay", self.decay, 0, 1)

    def vector(self, name: str, vectors: "list[Tensor]") -> "Tensor":
        total = vectors[0]
        linear = total.dim() == 2 and not is_embedding(name)
        for vector in vectors[1:]:
            total = self._joined(total, vector) if linear else (total + vector) / 2
        return total

    def _joined(self, old: "Tensor", new: "Tensor") -> "Tensor":
        """D_t of D_(t-1) and tau_t, both [m, n]."""
        import torch

        sides = [(target, *self._factors(target)) for target in (old, new)]
        found, weight = (old + new) / 2, self.balance
        optimizer = torch.optim.Adam([found], lr=self.learning_rate)
        for _ in range(self.steps):
            beat()
            pairs = [_loss_and_gradient(found, *side) for side in sides]
            if self.adaptive and all(loss > 0 for loss, _ in pairs):
                least = _least_norm(*(gradient / loss for loss, gradient in pairs))
                weight = self.decay * weight + (1 - self.decay) * least
            found.grad = weight * pairs[OLD][1] + (1 - weight) * pairs[NEW][1]
            optimizer.step()
        return found.detach()

    def _factors(self, vector: "Tensor") -> "tuple[Tensor, Tensor]":
        """U S [m, r] and V S [n, r]."""
        import torch

        beat(patient=True)
        u, sizes, v_t = torch.linalg.svd(vector, full_matrices=False)
        shares = sizes.double().cumsum(0) / sizes.double().sum()
        rank = int((shares < self.energy).sum())
        return u[:, :rank] * sizes[:rank], v_t[:rank].T * sizes[:rank]


def _loss_and_gradient(
    found: "Tensor", target: "Tensor", left: "Tensor", right: "Tensor"
) -> "tuple[float, Tensor]":
    """L(target) at `found` and its gradient there, [m, n]."""
    away = found - target
    above, beside = left.T @ away, away @ right
    loss = above.double().square().sum() + beside.double().square().sum()
    return float(loss), 2 * (left @ above + beside @ right.T)


def _least_norm(first: "Tensor", second: "Tensor") -> float:
    """The w in [0.001, 0.999] at which w * first + (1 - w) * second is shortest (Sener and Koltun,
    arXiv 1810.04650, algorithm 1, whose code stays that far from the ends)."""
    apart = first.double() - second.double()
    length = float(apart.square().sum())
    if not length:
        return 0.5
    best = -float((apart * second).sum()) / length
    return min(max(best, 0.001), 0.999)
