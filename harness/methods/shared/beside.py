"""Base of the strategies whose adapter is fresh at every task, beside the earlier ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.methods.base import Strategy
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State, View
from harness.models.adapters.lora import factor_of, partner_of

if TYPE_CHECKING:
    from torch import Tensor

Penalty = Callable[[str, "Tensor", "Tensor"], "Tensor | None"]
"""Name of a layer's factor A, A [rank, inputs], B [outputs, rank] -> a number, or None."""


@dataclass
class Beside(Strategy):
    """Keeps the factors of earlier adapters, one task's after the other's, in `self.earlier`: by
    name A [earlier ranks, inputs] and B [outputs, earlier ranks], on every rank whole."""

    abstract: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.saved: SavedState | None = None
        self.earlier: dict[str, Tensor] = {}

    def kept_factors(self) -> str:
        """Which factors are needed later: "A", "B", "AB" or none."""
        return "AB"

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def start(self, stage: Stage) -> None:
        if self.saved is not None:
            found = {name: self.saved.tensor(name) for name in self.saved.values["names"]}
            self.earlier = {name: value.to(stage.view.device) for name, value in found.items()}

    def running(self) -> State:
        return State()  # the earlier adapters are those that `load` gave

    def measure(self, stage: Stage) -> None:
        import torch

        view, kept = stage.view, self.kept_factors()
        for name in view.shapes:
            if (factor := factor_of(name)) is None or factor not in kept:
                continue
            new = view.gather(name)
            parts = [self.earlier[name], new] if name in self.earlier else [new]
            self.earlier[name] = torch.cat(parts, dim=0 if factor == "A" else 1)

    def state(self) -> State:
        return State(dict(self.earlier), values={"names": sorted(self.earlier)})


def layers(view: View) -> list[str]:
    """The trained factors A, whose `partner_of` is B."""
    return [name for name in view.shapes if factor_of(name) == "A"]


def penalty_gradients(view: View, penalty: Penalty) -> "dict[str, Tensor]":
    """Collective. Gradients of the sum over the adapted layers, whole, by the factors' names; one
    layer after the other is gathered."""
    import torch

    found: dict[str, Tensor] = {}
    for name in layers(view):
        names = (name, partner_of(name))
        factors = [view.gather(one).requires_grad_() for one in names]
        with torch.enable_grad():
            value = penalty(name, *factors)
            if value is not None:
                made = torch.autograd.grad(value, factors, allow_unused=True)
                pairs = zip(names, made, strict=True)
                found |= {one: grad for one, grad in pairs if grad is not None}
    return found


def penalty_value(view: View, penalty: Penalty) -> float:
    """Collective. The sum over the adapted layers."""
    values = (penalty(one, view.gather(one), view.gather(partner_of(one))) for one in layers(view))
    return float(sum(float(value) for value in values if value is not None))


def add_gradients(view: View, added: "Mapping[str, Tensor]") -> None:
    """Add whole gradients, by name, to those of the step."""
    if added:
        view.update_gradients(lambda s: s.grad + s.cut(added[s.name]) if s.name in added else None)
