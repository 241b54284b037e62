"""OPCM: what is merged next changes only directions that the models before left free.

"Merging Models on the Fly Without Retraining: A Sequential Approach to Scalable Continual Model
Merging" (arXiv 2501.09522), eqs. 5 to 8.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.ranges import require_range
from harness.methods.edits.base import Models, TaskVectorEdit
from harness.models.weights.blocks import is_embedding

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class OPCM(TaskVectorEdit):
    """theta = theta_0 + scale * D_T, D_1 = tau_1, lambda_t D_t = lambda_(t-1) D_(t-1) + P_t(tau_t).

    lambda_t gives the whole of D_t the mean norm of tau_1 to tau_t. P_t works on the matrices of
    linear layers, by the singular vectors u_i, v_i of D_(t-1) there: of M = U^T tau_t V it sets the
    diagonal to 0, and the block of the first r, as many as hold at most `energy` of the sum of all
    singular values; other tensors are added as they are. P_t does not depend on the scale of
    D_(t-1), so that the recursion runs weight by weight without the lambdas, and one factor is
    applied in the end. Where D_(t-1) has no full rank, the pairs behind its rank are arbitrary and
    their diagonal is left alone: the same result whatever routine finds them.

    energy: the paper's alpha, in [0, 1]; 0 takes the diagonal alone off.
    scale: factor of the merged vector; the paper's is 1.
    """

    energy: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("energy", self.energy, 0, 1)
        self.factor = 1.0

    def passes(self, count: int) -> int:
        return 1

    def prepare(self, models: Models) -> dict[str, Any]:
        norms, merged = [0.0] * models.count, 0.0
        for name in models.sizes:
            base, tuned = models.read(name)
            vectors = [model - base for model in tuned]
            for number, vector in enumerate(vectors):
                norms[number] += float(vector.double().square().sum())
            merged += float(self._merged(name, vectors).double().square().sum())
        mean = sum(map(math.sqrt, norms)) / models.count
        self.factor = mean / math.sqrt(merged) if merged else 0.0
        return {"mean norm": mean, "factor": self.factor}

    def vector(self, name: str, vectors: "list[Tensor]") -> "Tensor":
        return self._merged(name, vectors) * self.factor

    def _merged(self, name: str, vectors: "list[Tensor]") -> "Tensor":
        """lambda_T D_T of one weight."""
        total = vectors[0]
        linear = total.dim() == 2 and not is_embedding(name)
        for vector in vectors[1:]:
            total = total + (self._free_part(total, vector) if linear else vector)
        return total

    def _free_part(self, before: "Tensor", vector: "Tensor") -> "Tensor":
        """P_t(vector) for D_(t-1) = before, both [m, n]. With a reduced decomposition: what is
        taken off is sum_(i,j<=r) u_i M_ij v_j^T + sum_(r<i<=rank) u_i M_ii v_i^T."""
        import torch

        u, sizes, v_t = torch.linalg.svd(before.double(), full_matrices=False)
        if not float(sizes[0]):
            return vector
        rank = int((sizes > sizes[0] * max(before.shape) * torch.finfo(before.dtype).eps).sum())
        shares = sizes.cumsum(0) / sizes.sum()
        block = min(int((shares <= self.energy).sum()), rank)
        u, v = u[:, :rank], v_t[:rank].T
        inner = u.T @ vector.double() @ v
        taken = torch.diag(inner.diagonal())
        taken[:block, :block] = inner[:block, :block]
        return (vector.double() - u @ taken @ v.T).to(vector.dtype)
