"""The optimizer steps of one stage."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.data.encoding import Example
from harness.data.order import batch_indices
from harness.data.randomness import derive_seed, seed_device
from harness.errors import Diverged
from harness.methods.base import Strategy
from harness.methods.forward import Pass
from harness.methods.stage import Phase, Stage
from harness.train.engine.core import Engine
from harness.train.engine.view import View
from harness.train.figures import Figures
from harness.train.job import Progress, TrainJob
from harness.train.learning_rate import learning_rate
from harness.train.live import Live
from harness.train.passes import Passes

if TYPE_CHECKING:
    from torch import Tensor


class Loop:
    """The steps of one task."""

    def __init__(
        self,
        job: TrainJob,
        engine: Engine,
        passes: Passes,
        view: View,
        stage: Stage,
        strategies: Sequence[Strategy],
    ) -> None:
        self.job, self.engine, self.passes, self.view = job, engine, passes, view
        self.stage, self.strategies = stage, strategies
        self.train = job.config.train
        self.log: list[dict[str, Any]] = []
        self.tokens = 0
        self.live: Live | None = None
        self.figures = Figures(strategies, self.train.figure_steps)

    def run(
        self, lengths: Sequence[int], progress: Progress, first: int = 0, stop: int | None = None
    ) -> None:
        """The optimizer steps of all phases, as many of each as `lengths` says, from step `first`
        to the end or to the one before `stop`; which rows a step sees hangs on its number alone."""
        step = 0
        for phase, steps in zip(self.stage.phases, lengths, strict=True):
            for number in range(steps):
                if first <= step and (stop is None or step < stop):
                    self._step(self._rows(phase, number), step)
                    progress(step + 1, self.stage.total)
                step += 1

    def _rows(self, phase: Phase, number: int) -> list[Example]:
        rows, seed = phase.data.examples, self.stage.seed
        size = self.train.batch_size
        return [rows[i] for i in batch_indices(seed, phase.data.name, number, len(rows), size)]

    def _step(self, examples: list[Example], step: int) -> None:
        """Optimizer step `step` of the task, from 0 over all phases. Raises as `Division.fitting`
        where memory runs out."""
        stage, rank = self.stage, self.engine.rank
        seed = derive_seed("step", stage.seed, stage.position, step, rank.index)
        seed_device(seed, rank.device)
        stage.at_step(step, self._rate(step), examples)
        with self.passes.fitting(examples):
            loss = self.passes.backward(examples, self._loss, stage)
            with self.view.gradients_open():
                for strategy in self.strategies:
                    strategy.gradients(stage)
            self.engine.step(stage.learning_rate)
            for strategy in self.strategies:
                strategy.weights(stage)
        self._note(examples, loss)
        stage.at_step(None)

    def _note(self, examples: list[Example], loss: float) -> None:
        """Write the step into the log. Raises Diverged for a loss that is no number, or above the
        bound."""
        number = self.stage.step + 1
        tokens = sum(len(example) for example in examples)
        self.tokens += tokens
        entry = {
            "step": number,
            "loss": loss,
            "learning_rate": self.stage.learning_rate,
            "grad_norm": self.engine.grad_norm(),
            **self.figures.of(self.stage),
        }
        self.log.append(entry)
        if self.live is not None:
            self.live.note(entry, tokens)
        bound = self.train.loss_bound
        above = bound is not None and loss > bound
        if above or not math.isfinite(loss):
            told = f"the loss of {self.stage.task} is {loss:g} at step {number}"
            told += f", above train.loss_bound={bound:g}" if above else ""
            raise Diverged(f"{told}; lower train.learning_rate", number, loss)

    def _loss(self, made: Pass) -> "Tensor":
        """Loss of each answer token, [n]: the objective's and what the strategies add."""
        loss = self.passes.objective(made.logits, made.batch.targets)
        for strategy in self.strategies:
            extra = strategy.loss(self.stage, made)
            loss = loss if extra is None else loss + extra
        return loss

    def _rate(self, step: int) -> float:
        train, peak, total = self.train, self.job.learning_rate, self.stage.total
        return learning_rate(step, total, peak, train.schedule, train.warmup_ratio)
