"""Rows of earlier tasks that a strategy goes on using: which are kept, and draws from them.

The rows are fixed by the seed and the memory's name, so that nothing need be stored between stages.
Reservoir: Vitter, "Random sampling with a reservoir", 1985, algorithm R.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.stage import Stage

if TYPE_CHECKING:
    from harness.data.encoding import Example
    from harness.data.task_data import TaskData


class Fill(Enum):
    """How a fixed number of rows is shared: per_task gives every earlier task the same number, the
    first ones one more where it does not divide, and a task's rows only ever leave; with reservoir
    every row seen so far is kept with equal chance, so that large tasks hold more."""

    per_task = "per_task"
    reservoir = "reservoir"


@dataclass
class Memory:
    """A part of every earlier task's training rows; the same at every stage.

    name: of its random streams; the draws of two memories are apart by it. ratio: share of each
    task's rows, in [0, 1]. rows: unless None, so many rows in all instead, shared as `fill` says.
    head: the first rows of each task's file instead of a draw, int(ratio of them).
    A strategy that fills one from `stage.history` says rows=True in its needs().
    """

    name: str
    ratio: float = 0.1
    rows: int | None = None
    fill: Fill = Fill.per_task
    head: bool = False

    def __post_init__(self) -> None:
        require_range("ratio", self.ratio, 0, 1)
        if self.rows is not None:
            require_range("rows", self.rows, 0)
        self.held: list[Example] = []

    def __len__(self) -> int:
        return len(self.held)

    @property
    def active(self) -> bool:
        """False where it never holds a row."""
        return self.ratio > 0 if self.rows is None else self.rows > 0

    @property
    def tasks(self) -> list[str]:
        """The tasks of which it holds rows, in the order of training."""
        return list(dict.fromkeys(row.id.task for row in self.held))

    def of(self, task: str) -> "list[Example]":
        """What it holds of one task."""
        return [row for row in self.held if row.id.task == task]

    def in_file_order(self) -> "list[Example]":
        """Its rows task by task, each task's as they stand in its file."""
        by_place = {
            task: sorted(self.of(task), key=lambda row: row.id.index) for task in self.tasks
        }
        return [row for rows in by_place.values() for row in rows]

    def keep(self, rows: "Sequence[Example]") -> None:
        """Hold these rows and no others."""
        self.held = list(rows)

    def collect(self, stage: Stage) -> None:
        """Hold what it keeps of all tasks before this stage."""
        self.held = self._kept(stage, stage.history.tasks)

    def ahead(self, stage: Stage) -> "list[Example]":
        """What it will hold at the next stage, rows of this stage's task among them."""
        return self._kept(stage, [*stage.history.tasks, stage.task])

    def _kept(self, stage: Stage, tasks: Sequence[str]) -> "list[Example]":
        past = [
            stage.own if name == stage.task else stage.history.load(name)
            for name in dict.fromkeys(tasks if self.active else ())
        ]
        if self.rows is not None and self.fill is Fill.reservoir:
            return self._reservoir(stage, past)
        return [
            row
            for place, data in enumerate(past)
            for row in self.choose(stage, data, _quota(self.rows, len(past), place))
        ]

    def choose(self, stage: Stage, data: "TaskData", count: int | None = None) -> "list[Example]":
        """Rows of one task as they are drawn: its share, or the first `count` of a permutation, so
        that a smaller number is a subset."""
        if self.head:
            return data.examples[: int(self.ratio * len(data.examples))]
        source = stage.run_random(self.name, data.name)
        if count is None:
            return source.sample(data.examples, round(self.ratio * len(data.examples)))
        order = list(range(len(data.examples)))
        source.shuffle(order)
        return [data.examples[i] for i in order[:count]]

    def draw(
        self, stage: Stage, count: int, task: str | None = None, part: str | None = None
    ) -> "list[Example]":
        """`count` of its rows without repetition, or all where it holds fewer; another draw at each
        step. task: only of this one. part: names one of several independent draws of a step."""
        rows = self.held if task is None else self.of(task)
        apart = [one for one in (task, part) if one is not None]
        source = stage.random(f"{self.name}-batch", *apart)
        return source.sample(rows, min(count, len(rows)))

    def _reservoir(self, stage: Stage, past: "Sequence[TaskData]") -> "list[Example]":
        """Algorithm R over the rows in the order of training; what task t+1 finds is what task t
        found, with rows of task t in the place of some."""
        source = stage.run_random(self.name)
        kept: list[Example] = []
        for seen, row in enumerate(row for data in past for row in data.examples):
            if seen < self.rows:
                kept.append(row)
            elif (place := source.randint(0, seen)) < self.rows:
                kept[place] = row
        return kept


def _quota(rows: int | None, tasks: int, place: int) -> int | None:
    return None if rows is None else rows // tasks + (place < rows % tasks)
