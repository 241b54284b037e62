"""Base of the strategies that pull the weights towards earlier ones, the anchor."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.stage import Stage
from harness.methods.view import SavedState, Sharded, State

if TYPE_CHECKING:
    from torch import Tensor


class Anchor(Enum):
    previous = "previous"
    initial = "initial"


@dataclass
class Anchored(Strategy):
    """Keeps one fp32 copy of each rank's shards: `self.anchors` during a task.

    anchor: previous = the weights at the end of the previous task (before the first task, the
    initial ones); initial = the weights before the first task, carried through the sequence.
    """

    abstract: ClassVar[bool] = True
    anchor: Anchor = Anchor.previous

    def __post_init__(self) -> None:
        self.anchors: Sharded = {}
        self.saved: SavedState | None = None

    def needs(self) -> Needs:
        return Needs(carries_weights=self.anchor is Anchor.initial, copies=1)

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def start(self, stage: Stage) -> None:
        kept = None
        if self.anchor is Anchor.initial and self.saved is not None:
            kept = self.saved.sharded("anchor", stage.view)
        self.anchors = stage.view.weights() if kept is None else kept

    def figures(self, stage: Stage) -> dict[str, float]:
        """distance: the Euclidean one of all trained weights from the anchor."""
        return {"distance": self._sum(stage, lambda away, name, part: away @ away) ** 0.5}

    def _sum(self, stage: Stage, of: "Callable[[Tensor, str, slice], Tensor]") -> float:
        """Collective. The sum over the model of a number of each piece's distance from the anchor,
        in fp64; a piece of a shard at a time, since nobody has reckoned with more memory."""
        import torch

        from harness.models.weights.tensor_file import spans

        total = torch.zeros((), dtype=torch.float64, device=stage.view.device)
        for shard in stage.view.shards():
            weight, anchor = shard.weight, self.anchors[shard.name]
            for first, last in spans(0, len(weight)):
                part = slice(first, last)
                total += of((weight[part] - anchor[part]).double(), shard.name, part)
        return float(stage.view.sum_over_shards(float(total)))

    def state(self) -> State:
        return State(sharded={"anchor": self.anchors} if self.anchor is Anchor.initial else {})

    def running(self) -> State:
        return State(sharded={"anchor": self.anchors})

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self.anchors = saved.sharded("anchor", stage.view) or {}
