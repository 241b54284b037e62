"""Base of the strategies that pull the weights towards earlier ones, the anchor."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from harness.methods.base import Strategy

if TYPE_CHECKING:
    from harness.train.engine.sharded_file import SavedState
    from harness.train.engine.view import Sharded, View


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

    def carries_weights(self) -> bool:
        return self.anchor is Anchor.initial

    def before_task(self, view: "View", task: str) -> None:
        kept = None
        if self.anchor is Anchor.initial and self.saved is not None:
            kept = self.saved.sharded("anchor", view)
        self.anchors = view.weights() if kept is None else kept

    def state_dict(self) -> "tuple[dict[str, Any], dict[str, Any]]":
        return ({"anchor": self.anchors} if self.anchor is Anchor.initial else {}), {}

    def load_state_dict(self, saved: "SavedState", plain: dict[str, Any]) -> None:
        self.saved = saved
