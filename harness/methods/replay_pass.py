"""Replay as TRACE's scripts do it: a separate pass over old rows after every task.

TRACE (arXiv 2310.06762), section 4.1 and its replay code: after the task's own epochs, one epoch
over the first rows of every earlier task and over all of an alignment set (LIMA). The paper's
published replay numbers are of this form; `Replay` mixes a random draw into training instead.
"""

from dataclasses import dataclass
from typing import ClassVar

from harness.config.ranges import require_range
from harness.data.task_data import TaskData
from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.stage import Phase, Stage


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
        require_range("ratio", self.ratio, 0, 1)
        require_range("epochs", self.epochs, 1)

    def needs(self) -> Needs:
        return Needs(history=self.ratio > 0 and not self.extra, rows=self.ratio > 0)

    def data(self, stage: Stage, phases: list[Phase]) -> list[Phase]:
        rows = []
        for task in dict.fromkeys(stage.history.tasks if self.ratio > 0 else ()):
            old = stage.history.load(task).examples
            rows += old[: int(self.ratio * len(old))]
        if self.extra:
            rows += stage.history.load_file(self.extra).examples
        passes = [Phase(TaskData("replay pass", rows), self.epochs)] if rows else []
        return [*phases, *passes]
