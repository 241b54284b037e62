"""Base of the strategies that project a step's gradient by gradients of earlier tasks' rows."""

from dataclasses import dataclass
from typing import ClassVar

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.memory import Memory
from harness.methods.needs import Needs
from harness.methods.stage import Stage
from harness.methods.view import State


@dataclass
class Projecting(Strategy):
    """Keeps a memory of earlier tasks' rows, from which a step's hook draws.

    ratio: part of each earlier task's training rows that the memory holds, in [0, 1]; 0 is
        sequential fine-tuning.
    """

    abstract: ClassVar[bool] = True
    memory_name: ClassVar[str]  # of the memory's random streams

    ratio: float = 0.1
    batch_size: int = 32

    def __post_init__(self) -> None:
        self.memory = Memory(self.memory_name, ratio=self.ratio)
        self.removed = 0.0  # of the last step: length of what was taken away / of its gradient
        require_range("batch_size", self.batch_size, 1)

    def needs(self) -> Needs:
        active = self.memory.active
        return Needs(history=active, rows=active, group="gradient projection", bounds_gradient=True)

    def memory_rows(self) -> int:
        return len(self.memory)

    def start(self, stage: Stage) -> None:
        self.memory.collect(stage)

    def figures(self, stage: Stage) -> dict[str, float]:
        """projected_share: |g~ - g| / |g| of the step, 0 where its gradient was left as it was."""
        return {"projected_share": self.removed}

    def running(self) -> State:
        return State()  # the draws hang on the step alone
