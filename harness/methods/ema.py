"""Exponential moving average of the weights (EMA).

Averaging along the trajectory, as in "Mean teachers are better role models" (arXiv 1703.01780, eq.
2) and, for language models that learn task after task, in I-LoRA (arXiv 2402.18865): after every
optimizer step

    average <- decay average + (1 - decay) theta,

beginning with the weights at the start of the task, of which decay^T is left after T steps: where T
is not large beside 1 / (1 - decay), the method also pulls towards the previous stage. With `ramp`
step s (from 1) decays by min(decay, 1 - 1 / s) as in I-LoRA, and nothing of the start is left. At
the end the average becomes the model: it is exported, and the next task starts from it. Training
itself is not changed. The factors of an adapter are averaged, not their product.
"""

from dataclasses import dataclass

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.shared.average import Average
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State


@dataclass
class EMA(Strategy):
    """Leave each task with the average of its trajectory.

    decay: in [0, 1]; 0 is sequential fine-tuning. Its memory is about 1 / (1 - decay) steps.
    ramp: begin with shorter averages, so that the weights before the task do not count.
    """

    decay: float = 0.99
    ramp: bool = False

    def __post_init__(self) -> None:
        require_range("decay", self.decay, 0, 1)
        self.average = Average()

    def needs(self) -> Needs:
        return Needs(copies=1 if self.decay > 0 else 0)

    def start(self, stage: Stage) -> None:
        if self.decay > 0:
            self.average.begin(stage.view)

    def weights(self, stage: Stage) -> None:
        if self.decay > 0:
            share = 1 / (stage.step + 1) if self.ramp else 0.0
            self.average.add(stage.view, max(1 - self.decay, share))

    def finish(self, stage: Stage) -> None:
        if self.decay > 0:
            self.average.leave(stage.view)

    def running(self) -> State:
        return self.average.state() if self.decay > 0 else State()

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self.average.read(saved, stage.view)
