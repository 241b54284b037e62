"""Experience replay: a part of every earlier task is mixed into the training of the next.

Rehearsal as in "Experience Replay for Continual Learning" (arXiv 1811.11682); TRACE (arXiv
2310.06762) replays a tenth. Here the replayed rows are mixed with the task's own and shuffled with
them, so that the optimizer steps grow by their number; TRACE's scripts run a separate pass instead
(replay_pass.py). Reservoir: Vitter, "Random sampling with a reservoir", 1985, algorithm R.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.data.randomness import derive_seed
from harness.errors import ConfigError
from harness.methods.base import History, Inputs, Strategy

if TYPE_CHECKING:
    from harness.data.encoding import Example
    from harness.data.task_data import TaskData


@dataclass
class Replay(Strategy):
    """Train on D_t and on a memory of D_1 .. D_{t-1}, fixed by the seed.

    A task that is visited again is among the earlier ones: rows of its own are in the memory too.

    ratio: share of each earlier task's training rows, in [0, 1]; the same rows at every stage.
    buffer: unless null, the memory holds so many rows in all instead of a share, and `fill` says
        which. per_task: the same number of every earlier task, the first ones one more where it
        does not divide; a task's rows only ever leave. reservoir: every row seen so far is in it
        with equal chance, so that large tasks hold more of it.
    extra: file of further rows in TRACE's format (LIMA, say), replayed at every stage.
    extra_ratio: share of the extra rows, in [0, 1].
    """

    ratio: float = 0.1
    buffer: int | None = None
    fill: str = "per_task"
    extra: str | None = None
    extra_ratio: float = 1.0

    file_parameters: ClassVar[tuple[str, ...]] = ("extra",)

    def __post_init__(self) -> None:
        for name in ("ratio", "extra_ratio"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name}={value}: it must be in [0, 1]")
        if self.buffer is not None and self.buffer < 0:
            raise ConfigError(f"buffer={self.buffer}: it must be null, 0 or more")
        if self.fill not in ("per_task", "reservoir"):
            raise ConfigError(f"fill={self.fill}: it must be per_task or reservoir")
        if self.fill == "reservoir" and self.buffer is None:
            raise ConfigError("fill=reservoir: it fills a buffer; set buffer to a number of rows")

    def needs_history(self) -> bool:
        return self.active and not self.extra

    @property
    def active(self) -> bool:
        """False where no row of an earlier task is ever drawn."""
        return self.ratio > 0 if self.buffer is None else self.buffer > 0

    def key_inputs(self, history: Sequence[str]) -> Inputs:
        tasks = tuple(history) if self.active else ()
        return Inputs(tasks, (self.extra,) if self.extra else ())

    def training_data(self, data: "TaskData", history: History, seed: int) -> "TaskData":
        from harness.data.task_data import TaskData

        examples = list(data.examples)
        if self.active:
            past = [history.load(task) for task in dict.fromkeys(history.tasks)]
            examples += self._memory(past, seed)
        if self.extra:
            examples += _part(history.load_file(self.extra), self.extra_ratio, seed)
        return TaskData(data.name, examples)

    def _memory(self, past: "Sequence[TaskData]", seed: int) -> "list[Example]":
        if self.buffer is None:
            return [row for data in past for row in _part(data, self.ratio, seed)]
        if self.fill == "reservoir":
            return _reservoir(past, self.buffer, seed)
        return [
            row
            for number, data in enumerate(past)
            for row in _head(data, _quota(self.buffer, len(past), number), seed)
        ]


def _part(data: "TaskData", ratio: float, seed: int) -> "list[Example]":
    source = random.Random(derive_seed("replay", seed, data.name))
    count = round(ratio * len(data.examples))
    return [data.examples[i] for i in sorted(source.sample(range(len(data.examples)), count))]


def _quota(buffer: int, tasks: int, number: int) -> int:
    return buffer // tasks + (number < buffer % tasks)


def _head(data: "TaskData", count: int, seed: int) -> "list[Example]":
    """The first `count` rows of a fixed permutation, so that a smaller count is a subset."""
    order = list(range(len(data.examples)))
    random.Random(derive_seed("replay", seed, data.name)).shuffle(order)
    return [data.examples[i] for i in sorted(order[:count])]


def _reservoir(past: "Sequence[TaskData]", size: int, seed: int) -> "list[Example]":
    """Algorithm R over the rows in the order of training; what task t+1 finds is what task t found,
    with rows of task t in the place of some."""
    source = random.Random(derive_seed("reservoir", seed))
    memory: list[Example] = []
    for seen, row in enumerate(row for data in past for row in data.examples):
        if seen < size:
            memory.append(row)
        elif (place := source.randint(0, seen)) < size:
            memory[place] = row
    return memory
