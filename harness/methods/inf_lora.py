"""InfLoRA: a task's adapter reads its inputs in directions that earlier tasks' inputs do not have.

"InfLoRA: Interference-Free Low-Rank Adaptation for Continual Learning" (arXiv 2404.00228, sections
3.2 and 3.3). With H = mean of x x' over all tokens x that reach an adapted layer in the task's
rows, and M an orthonormal basis of the directions that earlier tasks use there, A is set before
training to

    A_t = the first `rank` left singular vectors of (I - M M') H, as rows, times `scale`

and not trained; B_t is, from zero. So B_t A_t x = 0 for every earlier input x in the span of M.
After the task H is measured again and M grows by the first left singular vectors of (I - M M') H
until

    |M M' H|^2 + their singular values squared >= threshold_t |H|^2,
    threshold_t = min(1, threshold + growth (t - 1)).

Singular values are those of H, as in the released code (the paper speaks of the inputs themselves),
whose scale is 1 / sqrt(3). The paper keeps M or, once it is the smaller one, its complement, which
changes memory and not the method; here it is M. Directions that (I - M M') H has not are zero rows.
While it looks every rank holds [inputs, inputs] numbers of 8 bytes for each adapted layer in main
memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config import AdapterConfig, BetweenTasks, ModelKind
from harness.config.ranges import require_range
from harness.errors import ConfigError, StageFailed
from harness.methods.base import Strategy
from harness.methods.needs import Adapter, Needs
from harness.methods.shared.beside import layers
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State, View
from harness.models.adapters.lora import factor_of
from harness.store.pulse import beat

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.encoding import Example
    from harness.methods.forward import Pass

SMALLEST = 1e-10  # of singular values, as a part of those of H: below is rounding


@dataclass
class InfLoRA(Strategy):
    """Choose A by the inputs of this task and of the earlier ones; train B.

    threshold: part of a layer's inputs that the directions kept of the first task span, in (0, 1].
    growth: what later tasks add to it; the released code takes 0.05 / tasks.
    scale: length of A's rows, above 0.
    rows: how many of a task's rows, from the first on, are looked at, before and after it; null =
        all, as the paper.
    """

    threshold: float = 0.95
    growth: float = 0.005
    scale: float = 3**-0.5
    rows: int | None = None

    def __post_init__(self) -> None:
        require_range("threshold", self.threshold, 0, 1, open_low=True)
        require_range("growth", self.growth, 0, 1)
        require_range("scale", self.scale, 0, open_low=True)
        if self.rows is not None:
            require_range("rows", self.rows, 1)
        self.saved: SavedState | None = None
        self.basis: dict[str, Tensor] = {}  # by factor A's name: M [inputs, kept], fp32, host
        self.watching = False
        self.seen: dict[str, Tensor] = {}  # inputs of the forward pass that runs

    def needs(self) -> Needs:
        # What an encoder reads stands elsewhere than the answers that a batch points to.
        causal = (ModelKind.causal,)
        return Needs(adapter=Adapter.required, bounds_gradient=True, defined_for=causal)

    def join_adapter(self, adapter: AdapterConfig | None) -> None:
        if adapter is not None and adapter.between_tasks is BetweenTasks.keep:
            raise ConfigError(
                "threshold: every task has an adapter of its own; use "
                "method.adapter.between_tasks=merge or stack"
            )

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def prepare_model(self, stage: Stage, model: Any) -> Any:
        for name, module in model.named_modules():
            weight = getattr(module, "weight", None)
            if factor_of(name) == "A" and weight is not None and weight.requires_grad:
                module.register_forward_pre_hook(self._watch(f"{name}.weight"))
        return model

    def rates(self, stage: Stage, model: Any) -> dict[str, float]:
        named = model.named_parameters()
        return {n: 0.0 for n, p in named if p.requires_grad and factor_of(n) == "A"}

    def start(self, stage: Stage) -> None:
        self._read()
        view, chosen = stage.view, {}
        for name, inputs in self._inputs(stage).items():
            beat(patient=True)  # a decomposition may take minutes
            rank = view.shapes[name][0]
            rows = _shared(view, lambda n=name, h=inputs, r=rank: self._rows(n, h, r))
            if not rows.any():
                raise StageFailed(
                    f"{name}: earlier tasks use all directions of its inputs; lower "
                    "method.inf_lora.threshold or growth"
                )
            chosen[name] = rows.to(view.device)
        view.update_weights(lambda s: s.cut(chosen[s.name]) if s.name in chosen else None)

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self._read()

    def running(self) -> State:
        return State()  # A is a weight, M that which `load` gave

    def gradients(self, stage: Stage) -> None:
        stage.view.update_gradients(lambda s: s.grad * 0.0 if factor_of(s.name) == "A" else None)

    def measure(self, stage: Stage) -> None:
        part = min(1.0, self.threshold + self.growth * (stage.position - 1))
        for name, inputs in self._inputs(stage).items():
            beat(patient=True)
            self.basis[name] = _shared(stage.view, lambda n=name, h=inputs: self._grown(n, h, part))

    def state(self) -> State:
        return State(dict(self.basis), values={"names": sorted(self.basis)})

    def _read(self) -> None:
        if self.saved is not None:
            self.basis = {name: self.saved.tensor(name) for name in self.saved.values["names"]}

    def _watch(self, name: str) -> Any:
        def hook(module: Any, arguments: "tuple[Tensor, ...]") -> None:
            if self.watching:
                self.seen[name] = arguments[0].detach()

        return hook

    def _inputs(self, stage: Stage) -> "dict[str, Tensor]":
        """Collective. H of every adapted layer, [inputs, inputs] in fp64 on the host."""
        view = stage.view
        sums = {name: _square(view, name) for name in layers(view)}
        count = 0

        def visit(made: "Pass") -> None:
            nonlocal count
            count += sum(len(row) for row in made.batch.members)
            for name, states in self.seen.items():
                for row, start, stop in made.batch.spans:
                    x = states[row, start:stop].double()
                    sums[name] += (x.T @ x).cpu()
            self.seen.clear()

        self.watching = True
        view.observe(self._looked_at(stage), visit)
        self.watching = False
        self.seen.clear()
        total = view.sum_over_ranks(count)
        return {n: view.sum_over_ranks(sums.pop(n)).cpu().div_(total) for n in list(sums)}

    def _looked_at(self, stage: Stage) -> "Sequence[Example]":
        return stage.own.examples[: self.rows]

    def _rest(self, name: str, inputs: "Tensor") -> "Tensor":
        """(I - M M') H."""
        if name not in self.basis:
            return inputs
        basis = self.basis[name].double()
        return inputs - basis @ (basis.T @ inputs)

    def _rows(self, name: str, inputs: "Tensor", rank: int) -> "Tensor":
        """A_t [rank, inputs]; zeros where no direction is left."""
        import torch

        left, _ = _directions(self._rest(name, inputs), inputs)
        rows = torch.zeros(rank, len(inputs))
        found = left[:, :rank].T
        rows[: len(found)] = self.scale * found
        return rows

    def _grown(self, name: str, inputs: "Tensor", part: float) -> "Tensor":
        """M after the task, [inputs, kept], fp32."""
        import torch

        rest = self._rest(name, inputs)
        left, values = _directions(rest, inputs)
        wanted = part * inputs.square().sum()
        # What M spans is orthogonal to the rest.
        spanned = inputs.square().sum() - rest.square().sum()
        reached = torch.cat([spanned[None], spanned + values.square().cumsum(0)])
        new = left[:, : int((reached < wanted).sum())]
        old = [self.basis[name].double()] if name in self.basis else []
        return torch.cat([*old, new], dim=1).float()


def _directions(rest: "Tensor", inputs: "Tensor") -> "tuple[Tensor, Tensor]":
    """Left singular vectors [inputs, n] and values [n] of the rest, without those of rounding."""
    import torch

    left, values, _ = torch.linalg.svd(rest)
    there = int((values > SMALLEST * inputs.norm()).sum())
    return left[:, :there], values[:there]


def _square(view: View, name: str) -> "Tensor":
    import torch

    width = view.shapes[name][1]
    return torch.zeros(width, width, dtype=torch.float64)


def _shared(view: View, make: Any) -> "Tensor":
    """Collective. What the first rank makes: singular vectors have no sign of their own."""
    return view.union({0: make()} if view.first_rank else {})[0]
