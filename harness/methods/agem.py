"""Averaged gradient episodic memory (A-GEM).

"Efficient Lifelong Learning with A-GEM" (arXiv 1812.00420, eq. 11): where the step's gradient g
opposes the gradient r of a random batch of earlier tasks' memory, its part along r is removed,

    g <- g - (g.r / r.r) r    if g.r < 0.

Both are whole gradients over all trained weights; ranks exchange only the two inner products. The
optimizer turns g into a step, so that under Adam the step itself may still oppose r.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.config.ranges import require_range
from harness.data.randomness import derive_seed
from harness.methods.base import History, Inputs, Strategy

if TYPE_CHECKING:
    from harness.data.encoding import Example
    from harness.data.task_data import TaskData
    from harness.train.engine.view import View


@dataclass
class AGEM(Strategy):
    """Project gradients that would raise the loss of the memory.

    ratio: part of each earlier task's training rows that the memory holds, in [0, 1]; 0 is
        sequential fine-tuning.
    batch_size: memory rows of one reference gradient, drawn anew at every step (one extra forward
        and backward pass of that size).
    """

    ratio: float = 0.1
    batch_size: int = 32

    group: ClassVar[str] = "gradient projection"
    bounds_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_range("ratio", self.ratio, 0, 1)
        require_range("batch_size", self.batch_size, 1)
        self.memory: list[Example] = []

    def needs_history(self) -> bool:
        return self.ratio > 0

    def key_inputs(self, history: Sequence[str]) -> Inputs:
        return Inputs(tuple(history) if self.ratio > 0 else ())

    def memory_rows(self) -> int:
        return len(self.memory)

    def training_data(self, data: "TaskData", history: History, seed: int) -> "TaskData":
        for task in dict.fromkeys(history.tasks if self.ratio > 0 else ()):
            rows = history.load(task).examples
            source = random.Random(derive_seed("agem", seed, task))
            self.memory += source.sample(rows, round(self.ratio * len(rows)))
        return data

    def before_task(self, view: "View", task: str) -> None:
        self.task = task

    def edit_gradients(self, view: "View", step: int, total_steps: int) -> None:
        if not self.memory:
            return
        source = random.Random(derive_seed("agem-batch", view.seed, self.task, step))
        batch = source.sample(self.memory, min(self.batch_size, len(self.memory)))
        reference = view.gradient_of(batch)
        along = view.dot(view.gradients(), reference)
        if along < 0:
            part = along / view.dot(reference, reference)
            view.update_gradients(lambda s: s.grad.sub_(reference[s.name], alpha=part))
