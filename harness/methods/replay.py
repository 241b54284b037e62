"""Experience replay: a part of every earlier task is mixed into the training of the next.

Rehearsal as in "Experience Replay for Continual Learning" (arXiv 1811.11682); TRACE (arXiv
2310.06762) replays a tenth. Here the replayed rows are mixed with the task's own and shuffled with
them, so that the optimizer steps grow by their number; TRACE's scripts run a separate pass instead.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.data.order import derive_seed
from harness.errors import ConfigError
from harness.methods.base import History, Inputs, Strategy

if TYPE_CHECKING:
    from harness.data.prompts import Example
    from harness.data.task_data import TaskData


@dataclass
class Replay(Strategy):
    """Train on D_t and, for each k < t, a fixed random part of D_k.

    ratio: share of each earlier task's training rows, in [0, 1]; the same rows at every stage.
    extra: file of further rows in TRACE's format (LIMA, say), replayed at every stage.
    extra_ratio: share of the extra rows, in [0, 1].
    """

    ratio: float = 0.1
    extra: str | None = None
    extra_ratio: float = 1.0

    file_parameters: ClassVar[tuple[str, ...]] = ("extra",)

    def __post_init__(self) -> None:
        for name in ("ratio", "extra_ratio"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name}={value}: it must be in [0, 1]")

    def key_inputs(self, history: Sequence[str]) -> Inputs:
        tasks = tuple(history) if self.ratio > 0 else ()
        return Inputs(tasks, (self.extra,) if self.extra else ())

    def training_data(self, data: "TaskData", history: History, seed: int) -> "TaskData":
        from harness.data.task_data import TaskData

        examples = list(data.examples)
        if self.ratio > 0:
            for task in dict.fromkeys(history.tasks):
                examples += _part(history.load(task), self.ratio, seed)
        if self.extra:
            examples += _part(history.load_file(self.extra), self.extra_ratio, seed)
        return TaskData(data.name, examples)


def _part(data: "TaskData", ratio: float, seed: int) -> "list[Example]":
    source = random.Random(derive_seed("replay", seed, data.name))
    count = round(ratio * len(data.examples))
    return [data.examples[i] for i in sorted(source.sample(range(len(data.examples)), count))]
