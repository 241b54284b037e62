"""Orthogonal subspace fine-tuning (OSFT): what a matrix does most stays as it is.

"Sculpting Subspaces: Constrained Full Fine-Tuning in LLMs for Continual Learning" (arXiv
2504.07097). Before each task, the first included, every matrix inside the model's blocks
is split by its singular values,

    W = U_h S_h V_h' + U_l S_l V_l',

the k largest of them on the left. The paper trains U_l, S_l and V_l with gradients projected off
U_h and V_h, and its later code projects the factors once more after each step. What these factors
can reach are the matrices W + D with U_h' D = 0 and D V_h = 0, and every one of them: U_l and V_l
have min(rows, columns) - k columns, no fewer than such a D has rank. Here W itself is trained, with

    G <- (I - U_h U_h') G (I - V_h V_h')               before the optimizer,
    W <- W_0 + (I - U_h U_h') (W - W_0) (I - V_h V_h')  after it (Adam and weight decay leave
                                                        the subspace),

which is the same set of models without the factors' scale, a choice that Adam and weight decay
depend on; the path through it under Adam is another. Embeddings, head, norms, biases and experts
that are fused into one tensor are trained freely.

Uniform: a part `unfrozen` of each matrix's directions is trained. Adaptive, as in the paper: of a
matrix of block l the part lowest + I_l (highest - lowest) is kept, I_l the mean cosine between a
layer's input and output at the task's tokens, set to mean 1 over layers. The cosine of a matrix's
input and output is not defined unless it is square; we take those of the block around it.

The directions with the smallest singular values carry knowledge too: score a suite of general
benchmarks beside the tasks.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.config import ModelKind
from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.base import Strategy
from harness.methods.needs import ALL_FAMILIES, Adapter, Needs
from harness.methods.shared.fisher import drawn
from harness.methods.shared.subspace import Matrices, Projection, beyond, block_matrices
from harness.methods.stage import Stage
from harness.methods.view import SavedState, Shard, Sharded, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


@dataclass
class OSFT(Strategy):
    """Train every matrix in the directions with its smallest singular values alone.

    unfrozen: part of the directions that is trained, in (0, 1]; 1 is sequential fine-tuning.
    adaptive: choose it by block instead. lowest, highest: of adaptive, the parts kept at importance
        0 and at the mean importance, in [0, 1]; the paper takes 0.1 and 0.8.
    num_samples: of adaptive, rows of the task that the importance is measured on.
    """

    unfrozen: float = 0.1
    adaptive: bool = False
    lowest: float = 0.1
    highest: float = 0.8
    num_samples: int = 128

    def __post_init__(self) -> None:
        require_range("unfrozen", self.unfrozen, 0, 1, open_low=True)
        require_range("lowest", self.lowest, 0, 1)
        require_range("highest", self.highest, 0, 1)
        require_range("num_samples", self.num_samples, 1)
        if self.lowest > self.highest:
            raise ConfigError(f"lowest={self.lowest}: it must be no more than highest")
        self.kept: dict[str, int] = {}  # directions of each matrix that stay
        self.origin: Sharded = {}  # the weights at the start of the task
        self.free: dict[str, tuple[Projection, Projection]] = {}  # of the matrices of this rank
        self.blocks = Cosines()
        self.squares: list[Tensor] = []  # of the step's gradient: before, after; by matrix

    @property
    def _active(self) -> bool:
        return self.adaptive or self.unfrozen < 1

    def needs(self) -> Needs:
        return Needs(
            adapter=Adapter.refused,
            bounds_gradient=True,
            group="gradient projection",
            # Of an encoder-decoder's blocks it is not said whose inputs are compared.
            defined_for=(ModelKind.causal,) if self.adaptive else ALL_FAMILIES,
            # The weights at the start, the bases (at most as much) and a projected gradient.
            copies=3 if self._active else 0,
        )

    def prepare_model(self, stage: Stage, model: Any) -> Any:
        if self.adaptive:
            self.blocks.watch(model)
        return model

    def start(self, stage: Stage) -> None:
        if not self._active:
            return
        self.origin = stage.view.weights()
        shapes = stage.view.shapes
        parts = self._parts(stage) if self.adaptive else None
        for name in block_matrices(shapes):
            whole = min(shapes[name])
            part = 1 - self.unfrozen if parts is None else parts[self.blocks.of(name)]
            # 1e-9: a part such as 1 - 0.9 is not to lose a direction to its rounding.
            self.kept[name] = min(int(part * whole + 1e-9), whole - 1)
        self._split(stage)

    def _parts(self, stage: Stage) -> list[float]:
        """What of each block's matrices is kept."""
        rows = [stage.own.examples[i] for (i,) in drawn(stage, "osft", self.num_samples, 1)]
        importance = [max(one, 0.0) for one in self.blocks.measure(stage, rows)]
        mean = sum(importance) / len(importance) or 1.0
        spread = self.highest - self.lowest
        return [min(self.lowest + one / mean * spread, 1.0) for one in importance]

    def _split(self, stage: Stage) -> None:
        import torch

        self.matrices = Matrices(stage.view, [name for name, kept in self.kept.items() if kept])
        for name, matrix in self.matrices.whole(lambda s: self.origin[s.name]):
            if self.matrices.mine(name):
                # In double: where neighbours at the cut are close, rounding would choose for them.
                u, _, vh = torch.linalg.svd(matrix.double(), full_matrices=False)
                u, v = u.to(matrix.dtype), vh.T.to(matrix.dtype)
                k = self.kept[name]
                self.free[name] = beyond(u[:, :k], u[:, k:]), beyond(v[:, :k], v[:, k:])

    def gradients(self, stage: Stage) -> None:
        if self._active:
            self.squares = []
            pieces = self.matrices.changed(lambda s: s.grad, self._noted)
            stage.view.update_gradients(lambda s: pieces.get(s.name))

    def weights(self, stage: Stage) -> None:
        if not self._active:
            return
        moved = self.matrices.changed(lambda s: s.weight.sub_(self.origin[s.name]), self._projected)

        def back(shard: Shard) -> "Tensor | None":
            piece = moved.get(shard.name)
            return None if piece is None else piece.add_(self.origin[shard.name])

        stage.view.update_weights(back)

    def _projected(self, name: str, matrix: "Tensor") -> "Tensor":
        left, right = self.free[name]
        return left.columns(right.rows(matrix))

    def _noted(self, name: str, gradient: "Tensor") -> "Tensor":
        import torch

        found = self._projected(name, gradient)
        self.squares.append(torch.stack([one.double().square().sum() for one in (gradient, found)]))
        return found

    def figures(self, stage: Stage) -> dict[str, float]:
        """projected_share: |g~ - g| / |g| over the step's gradients of the split matrices."""
        import torch

        mine = torch.zeros(2, dtype=torch.float64, device=stage.view.device)
        before, after = stage.view.sum_over_ranks(sum(self.squares, mine)).tolist()
        share = max(1 - after / before, 0.0) if before > 0 else 0.0
        return {"projected_share": share**0.5}

    def running(self) -> State:
        return State(sharded={"origin": self.origin} if self._active else {}, values=self.kept)

    def resume(self, stage: Stage, saved: SavedState) -> None:
        if self._active:
            self.kept = dict(saved.values)
            self.origin = saved.sharded("origin", stage.view) or {}
            self._split(stage)


@dataclass
class Cosines:
    """Cosines between the inputs and the outputs of a model's blocks."""

    on: bool = False
    now: "dict[int, Tensor]" = field(default_factory=dict)  # of a pass: by block, [rows, tokens]

    def watch(self, model: Any) -> None:
        """Before the model runs."""
        from harness.models.weights.blocks import find_blocks

        sizes = {n: getattr(p, "ds_numel", p.numel()) for n, p in model.named_parameters()}
        self.found = find_blocks(sizes)
        for number in range(self.found.count):
            block = model.get_submodule(f"{self.found.prefix}.{number}")
            block.register_forward_hook(self._hook(number), with_kwargs=True)

    def of(self, name: str) -> int:
        """The block of a weight inside the blocks."""
        number = self.found.index(name)
        assert number is not None
        return number

    def _hook(self, number: int) -> Any:
        def hook(module: Any, arguments: Any, named: Any, output: Any) -> None:
            import torch

            if self.on:
                before = arguments[0] if arguments else named["hidden_states"]
                after = output[0] if isinstance(output, tuple) else output
                self.now[number] = torch.cosine_similarity(before.float(), after.float(), dim=-1)

        return hook

    def measure(self, stage: Stage, rows: Any) -> list[float]:
        """Collective. The mean of each block over all tokens of the rows."""
        import torch

        total = torch.zeros(self.found.count + 1, dtype=torch.float64, device=stage.view.device)

        def visit(made: "Pass") -> None:
            for row, start, stop in made.batch.spans:
                for number, found in self.now.items():
                    total[number] += found[row, start:stop].double().sum()
                total[-1] += stop - start

        self.on = True
        stage.view.observe(rows, visit)
        self.on = False
        *sums, tokens = stage.view.sum_over_ranks(total).tolist()
        return [one / tokens for one in sums]
