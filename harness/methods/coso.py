"""CoSO: a matrix is trained in the span of its latest gradients, off that of earlier tasks.

"Continuous Subspace Optimization for Continual Learning" (arXiv 2505.11816). For the
gradient G of a matrix [outputs, inputs], with P an orthonormal basis of the earlier tasks' space,

    G <- G - P P' G;   every `gap` steps: U S V' = svd(G), Q = the first `rank` columns of U,
                       sketch B <- shrink(svd([B, U_r S_r])), r = `sketch`  (Frequent Directions),

where shrink leaves r directions with sqrt(s_i^2 - s_{r+1}^2). Training moves W in the span of Q. At
the end of the task the first directions of B, as long as they hold less than a part `threshold` of
its squares, join P; the one that crosses it does not.

The authors run Adam on Q' G and bring its step back; their moments are not turned when Q is. Here
Adam has the moments of Q Q' G in the matrix's own coordinates, and what it and weight decay move is
projected by Q Q' after the step: in the same span, orthogonal to P, with another scale of the
coordinates. As in their code all else is frozen: embeddings, head, norms, biases, and experts that
are fused into one tensor.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.needs import Adapter, Needs
from harness.methods.shared.subspace import Matrices, block_matrices, transposed
from harness.methods.stage import Stage
from harness.methods.view import SavedState, Sharded, State

if TYPE_CHECKING:
    from torch import Tensor


# Directions of less than this part of a gradient are rounding, and may point anywhere, into the
# earlier tasks' space as well: they are left out.
ROUNDING = 1e-6


@dataclass
class CoSO(Strategy):
    """Train every matrix in subspaces of its gradients, orthogonal to earlier tasks'.

    rank: directions of a step, 1 or more. sketch: those kept of a task's gradients. gap: steps
        between two choices of them. threshold: part of the sketch's squares that joins the earlier
        tasks' space, in [0, 1]. The paper: 15, 100, 1 on CIFAR-100, 50, 120, 1 on ImageNet-R, 0.98.
    active: false is sequential fine-tuning.
    """

    rank: int = 50
    sketch: int = 120
    gap: int = 1
    threshold: float = 0.98
    active: bool = True

    def __post_init__(self) -> None:
        for name in ("rank", "sketch", "gap"):
            require_range(name, getattr(self, name), 1)
        require_range("threshold", self.threshold, 0, 1)
        self.saved: SavedState | None = None
        self.transposed: set[str] = set()
        self.past: dict[str, Tensor] = {}  # P of every matrix, [outputs, h], on all ranks
        # Of this rank's matrices: Q and B, [outputs, at most rank or sketch].
        self.span: dict[str, Tensor] = {}
        self.sketched: dict[str, Tensor] = {}
        self.before: Sharded = {}  # the weights before the step
        self.matrices: Matrices | None = None

    def needs(self) -> Needs:
        return Needs(
            adapter=Adapter.refused,
            bounds_gradient=True,
            group="gradient projection",
            # The weights before the step, the bases (at most as much) and a projected gradient.
            copies=3 if self.active else 0,
        )

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def prepare_model(self, stage: Stage, model: Any) -> Any:
        if self.active:
            shapes = {n: getattr(p, "ds_shape", p.shape) for n, p in model.named_parameters()}
            names = set(block_matrices(shapes))
            for name, parameter in model.named_parameters():
                if name not in names:
                    parameter.requires_grad_(False)
            self.transposed = transposed(model)
        return model

    def start(self, stage: Stage) -> None:
        if not self.active:
            return
        self.matrices = Matrices(stage.view, block_matrices(stage.view.shapes))
        names = [] if self.saved is None else self.saved.values.get("matrices", [])
        for name in names:
            self.past[name] = self.saved.tensor(f"{name}.past").to(stage.view.device)

    def gradients(self, stage: Stage) -> None:
        if not self.active:
            return
        anew = stage.step % self.gap == 0
        pieces = self.matrices.changed(lambda s: s.grad, lambda n, g: self._inside(n, g, anew))
        stage.view.update_gradients(lambda s: pieces.pop(s.name))
        self.before = stage.view.weights()

    def weights(self, stage: Stage) -> None:
        if not self.active:
            return
        moved = self.matrices.changed(
            lambda s: s.weight.sub_(self.before[s.name]), lambda n, m: self._inside(n, m, False)
        )
        stage.view.update_weights(lambda s: self.before.pop(s.name).add_(moved.pop(s.name)))

    def _inside(self, name: str, matrix: "Tensor", anew: bool) -> "Tensor":
        """A matrix's part in the span of Q; anew: chosen by this matrix, a gradient."""
        turned = matrix.T if name in self.transposed else matrix  # [outputs, inputs]
        if anew:
            self._choose(name, turned)
        inside = self.span[name] @ (self.span[name].T @ turned)
        return inside.T if name in self.transposed else inside

    def _choose(self, name: str, gradient: "Tensor") -> None:
        import torch

        past = self.past.get(name)
        left = gradient if past is None else gradient - past @ (past.T @ gradient)
        u, s, _ = torch.linalg.svd(left, full_matrices=False)
        u = u * (s > ROUNDING * gradient.norm())
        self.span[name] = u[:, : self.rank].contiguous()
        old = [self.sketched[name]] if name in self.sketched else []
        together = torch.cat([*old, u[:, : self.sketch] * s[: self.sketch]], 1)
        self.sketched[name] = shrunk(together, self.sketch)

    def measure(self, stage: Stage) -> None:
        if not self.active:
            return
        import torch

        added = {n: leading(sketch, self.threshold) for n, sketch in self.sketched.items()}
        sizes = [added[n].shape[1] if n in added else 0 for n in self.matrices.names]
        counts = stage.view.sum_over_ranks(torch.tensor(sizes, device=stage.view.device)).tolist()
        for name, count in zip(self.matrices.names, counts, strict=True):
            new = self.matrices.shared(name, self._held(added, name, count))
            self.past[name] = torch.cat([self.past[name], new], 1) if name in self.past else new

    def _held(self, bases: "dict[str, Tensor]", name: str, columns: int) -> "Tensor":
        """A basis of this rank's matrices, with columns of zeros up to so many; of another's, zeros
        alone, [outputs, columns]."""
        import torch

        whole = torch.zeros(self._outputs(name), columns, device=self.matrices.view.device)
        if name in bases:
            whole[:, : bases[name].shape[1]] = bases[name]
        return whole

    def _outputs(self, name: str) -> int:
        return self.matrices.view.shapes[name][1 if name in self.transposed else 0]

    def figures(self, stage: Stage) -> dict[str, float]:
        """past_share: the part of all matrices' output directions that earlier tasks have taken."""
        taken = sum(basis.shape[1] for basis in self.past.values())
        return {"past_share": taken / max(sum(len(p) for p in self.past.values()), 1)}

    def state(self) -> State:
        tensors = {f"{name}.past": basis for name, basis in self.past.items()}
        return State(tensors, values={"matrices": list(self.past)})

    def running(self) -> State:
        """Collective."""
        import torch

        if self.matrices is None:
            return State()
        found = {}
        for kind, (bases, columns) in self._bases().items():
            whole = [
                self.matrices.shared(name, self._held(bases, name, count)).reshape(-1)
                for name, count in columns.items()
            ]
            found[kind] = torch.cat(whole)
        return State(found)

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self.start(stage)
        if not self.active:
            return
        for kind, (bases, columns) in self._bases().items():
            sizes = [self._outputs(name) * count for name, count in columns.items()]
            pieces = saved.tensor(kind).to(stage.view.device).split(sizes)
            for (name, count), piece in zip(columns.items(), pieces, strict=True):
                if self.matrices.mine(name):
                    bases[name] = piece.view(-1, count).clone()

    def _bases(self) -> "dict[str, tuple[dict[str, Tensor], dict[str, int]]]":
        """What is kept within a task, and how many columns of each matrix at most."""
        shapes = {name: self.matrices.view.shapes[name] for name in self.matrices.names}
        span = {name: min(self.rank, *shape) for name, shape in shapes.items()}
        sketch = {name: min(self.sketch, self._outputs(name)) for name in shapes}
        return {"span": (self.span, span), "sketch": (self.sketched, sketch)}


def shrunk(matrix: "Tensor", count: int) -> "Tensor":
    """The `count` directions of a sketch [outputs, columns] that hold most, each shorter by what
    the next one held, [outputs, at most count] ("Frequent Directions", arXiv 1501.01711)."""
    import torch

    u, s, _ = torch.linalg.svd(matrix, full_matrices=False)
    cut = s[count] if len(s) > count else 0.0
    return u[:, :count] * (s[:count] ** 2 - cut**2).clamp_min(0).sqrt()


def leading(sketch: "Tensor", threshold: float) -> "Tensor":
    """Orthonormal first directions of a sketch, which together hold less than a part `threshold` of
    its squares, [outputs, n]."""
    import torch

    u, s, _ = torch.linalg.svd(sketch, full_matrices=False)
    squares = s.double() ** 2
    count = int((squares.cumsum(0) < threshold * squares.sum()).sum())
    return u[:, :count]
