"""RegLoRA: a new update stays out of the weights where earlier updates are largest.

"SEFE: Superficial and Essential Forgetting Eliminator for Multimodal Continual Instruction Tuning"
(arXiv 2505.02486, section 3.3). Every task has a fresh adapter on top of the sum of the earlier
ones (merged into the weights, or beside them). After a task the largest entries of |B A| of each
adapted layer, a part `top` of them, are noted (B A without alpha / rank, as the released code has
it); from the next task on the loss gains

    strength (1 / layers) sum over layers of the mean of |B A| over all places noted so far.

A place that several tasks note counts as often, as in the released code. The penalty holds back
where the new update writes; it does not hold the earlier one in place. One layer's B A is made
whole at a time; the places take 4 bytes each, for every task.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.config import AdapterConfig, BetweenTasks
from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.base import Strategy
from harness.methods.needs import Adapter, Needs
from harness.methods.shared.beside import add_gradients, layers, penalty_gradients, penalty_value
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State
from harness.models.adapters.lora import partner_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class RegLoRA(Strategy):
    """Penalise the new update in the places of earlier ones.

    strength: 0 or more; the paper: 2500.
    top: part of a layer's entries that a task notes, in (0, 1]; the paper: 0.02.
    """

    strength: float = 2500.0
    top: float = 0.02

    def __post_init__(self) -> None:
        require_range("strength", self.strength, 0)
        require_range("top", self.top, 0, 1, open_low=True)
        self.saved: SavedState | None = None
        self.places: dict[str, Tensor] = {}  # by factor A's name: flat places in B A, on the host

    def needs(self) -> Needs:
        active = self.strength > 0
        return Needs(history=active, adapter=Adapter.required, adds_gradient=active)

    def join_adapter(self, adapter: AdapterConfig | None) -> None:
        if adapter is not None and adapter.between_tasks is BetweenTasks.keep:
            raise ConfigError(
                "strength: it bounds an adapter that is fresh at every task; use "
                "method.adapter.between_tasks=merge or stack"
            )

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def start(self, stage: Stage) -> None:
        if self.saved is not None:
            self.places = {name: self.saved.tensor(name) for name in self.saved.values["names"]}

    def running(self) -> State:
        return State()  # the places are those that `load` gave

    def gradients(self, stage: Stage) -> None:
        if self.strength > 0 and self.places:
            add_gradients(stage.view, penalty_gradients(stage.view, self._penalty))

    def figures(self, stage: Stage) -> dict[str, float]:
        """penalty: what the loss gains."""
        return {"penalty": penalty_value(stage.view, self._penalty) if self.places else 0.0}

    def _penalty(self, name: str, a: "Tensor", b: "Tensor") -> "Tensor | None":
        if name not in self.places:
            return None
        places = self.places[name].to(a.device).long()
        weight = self.strength / len(self.places)
        return weight * (b @ a).reshape(-1)[places].abs().mean()

    def measure(self, stage: Stage) -> None:
        import torch

        if self.strength == 0:
            return
        for name in layers(stage.view):
            update = stage.view.gather(partner_of(name)) @ stage.view.gather(name)
            count = max(1, int(self.top * update.numel()))
            largest = update.abs().reshape(-1).topk(count).indices.int().cpu()
            known = [self.places[name]] if name in self.places else []
            self.places[name] = torch.cat([*known, largest])

    def state(self) -> State:
        return State(dict(self.places), values={"names": sorted(self.places)})
