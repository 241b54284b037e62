"""The optimizer steps of one stage."""

import math
from collections.abc import Sequence
from typing import Any

from harness.data.batches import MicroBatch
from harness.data.encoding import Example
from harness.data.order import batch_indices
from harness.data.randomness import derive_seed
from harness.errors import StageFailed
from harness.methods.base import Phase, Strategy
from harness.train.engine.core import Engine
from harness.train.engine.view import View
from harness.train.job import Progress, TrainJob
from harness.train.passes import Passes


class Loop:
    """The steps of one task."""

    def __init__(
        self,
        job: TrainJob,
        engine: Engine,
        passes: Passes,
        view: View,
        strategies: Sequence[Strategy],
    ) -> None:
        self.job, self.engine, self.passes, self.view = job, engine, passes, view
        self.strategies = strategies
        self.train = job.config.train
        self.log: list[dict[str, Any]] = []
        self.tokens = 0

    def run(self, phases: Sequence[Phase], lengths: Sequence[int], progress: Progress) -> None:
        """All optimizer steps of all phases."""
        self.total_steps = sum(lengths)
        for phase, steps in zip(phases, lengths, strict=True):
            self._run(phase, steps, progress)

    def _run(self, phase: Phase, steps: int, progress: Progress) -> None:
        size = len(phase.data.examples)
        for number in range(steps):
            picked = batch_indices(
                self.job.config.seed, phase.data.name, number, size, self.train.batch_size
            )
            examples = [phase.data.examples[i] for i in picked]
            self.tokens += sum(len(example) for example in examples)
            loss = self._step(examples, len(self.log))
            done = len(self.log)
            if not math.isfinite(loss):
                raise StageFailed(
                    f"the loss of {self.job.task} is {loss} at step {done}; "
                    "lower train.learning_rate"
                )
            progress(done, self.total_steps)

    def _step(self, examples: list[Example], step: int) -> float:
        """Optimizer step `step` of the task, from 0 over all phases."""
        import torch

        seed, total = self.job.config.seed, self.total_steps
        torch.manual_seed(derive_seed("step", seed, self.job.stage, step, self.engine.rank.index))
        loss = self.passes.backward(examples, self._token_loss)
        rate = self.view.learning_rate = self._rate(step)
        with self.view.gradients_open():
            for strategy in self.strategies:
                strategy.edit_gradients(self.view, step, total)
        self.engine.step(rate)
        for strategy in self.strategies:
            strategy.after_step(self.view, step, total)
        norm = self.engine.grad_norm()
        self.log.append({"step": step + 1, "loss": loss, "learning_rate": rate, "grad_norm": norm})
        return loss

    def _token_loss(self, batch: MicroBatch, logits: Any) -> Any:
        """Loss of each answer token, [n]: the objective's and what the strategies add."""
        loss = self.passes.objective(logits, batch.targets)
        for strategy in self.strategies:
            extra = strategy.token_loss(batch, logits)
            loss = loss if extra is None else loss + extra
        return loss

    def _rate(self, step: int) -> float:
        from harness.train.learning_rate import learning_rate

        train, peak = self.train, self.job.learning_rate
        return learning_rate(step, self.total_steps, peak, train.schedule, train.warmup_ratio)
