"""Replay as TRACE's scripts do it: a separate pass over old rows after every task.

TRACE (arXiv 2310.06762), section 4.1 and its replay code: after the task's own epochs, one epoch
over the first rows of every earlier task and over all of an alignment set (LIMA). The paper's
published replay numbers are of this form; `Replay` mixes a random draw into training instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.errors import ConfigError
from harness.methods.base import History, Inputs, Phase, Strategy

if TYPE_CHECKING:
    from harness.data.task_data import TaskData


@dataclass
class ReplayPass(Strategy):
    """After D_t, train on the first int(ratio * |D_k|) rows of each D_k, k < t, and on `extra`.
    A task that is visited again has rows of its own there. A schedule of the rate goes on through
    the pass.

    ratio: share of each earlier task's training rows, in [0, 1], from the head of its file.
    extra: file of further rows in TRACE's format, all of them in every pass, the first included.
    epochs: passes over these rows.
    """

    ratio: float = 0.1
    extra: str | None = None
    epochs: int = 1

    file_parameters: ClassVar[tuple[str, ...]] = ("extra",)
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise ConfigError(f"ratio={self.ratio}: it must be in [0, 1]")
        if self.epochs < 1:
            raise ConfigError(f"epochs={self.epochs}: it must be at least 1")

    def needs_history(self) -> bool:
        return self.ratio > 0 and not self.extra

    def key_inputs(self, history: Sequence[str]) -> Inputs:
        tasks = tuple(history) if self.ratio > 0 else ()
        return Inputs(tasks, (self.extra,) if self.extra else ())

    def phases(self, data: "TaskData", history: History) -> list[Phase]:
        from harness.data.task_data import TaskData

        rows = []
        for task in dict.fromkeys(history.tasks):
            old = history.load(task).examples
            rows += old[: int(self.ratio * len(old))]
        if self.extra:
            rows += history.load_file(self.extra).examples
        return [Phase(TaskData("replay pass", rows), self.epochs, "replay")] if rows else []
