"""Train ONE task: from the previous stage's folder to the next one's."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.utils import instantiate

from harness.adapters import finish_stage, start_model
from harness.budget import CostMeter, phase_steps
from harness.config import HarnessConfig, LossNorm, Packing, ResetOptimizer, TrainConfig
from harness.data.order import batch_indices, derive_seed
from harness.data.packing import MicroBatch
from harness.data.prompts import Example, PromptFormat
from harness.data.task_data import TaskData, load_task_data
from harness.engine.core import Engine
from harness.engine.probe import packs_exactly
from harness.engine.ranks import Rank, seed_everything
from harness.engine.view import View
from harness.errors import StageFailed
from harness.files import write_json
from harness.methods.base import Phase, Strategy
from harness.methods.loading import load_strategies
from harness.methods.state import read_states, write_states
from harness.modeling import load_prompts, save_tokenizer
from harness.passes import Passes
from harness.sequence import widest_limits
from harness.store import TRANSIENT

Progress = Callable[[int, int], None]


@dataclass
class Part:
    """One task's training file and how often a stage passes over it."""

    task: str
    data: Path
    epochs: int


@dataclass
class TrainJob:
    """What to train: one stage of one run, on one task or on all at once.

    `stage` counts the tasks trained including this one; `earlier` are the tasks before with their
    training files, visit by visit; `parent` is the folder of the stage before (or the initial
    model)."""

    config: HarnessConfig
    stage: int
    task: str
    parts: list[Part]
    learning_rate: float
    parent: Path | str
    earlier: list[tuple[str, Path]]
    last: bool


def train_task(job: TrainJob, folder: Path, rank: Rank, progress: Progress) -> None:
    """Train job.task and write the model, the strategies' state and the log into `folder`.

    All ranks call it together; `progress(done, total)` counts optimizer steps.
    """
    config = job.config
    meter = CostMeter(rank.device)
    seed_everything(derive_seed("stage", config.seed, job.stage))
    prompts, strategies = load_prompts(config.model, job.parent), _strategies(job)
    own, epochs = _training_set(job, prompts)
    history = _History(job, prompts)
    adapter = config.method.adapter
    model = start_model(config.model, adapter, job.parent, job.stage)
    for strategy in strategies:
        model = strategy.prepare_model(model, job.task, history.tasks, config.seed)
    packed = _may_pack(config.train, strategies) and packs_exactly(model)
    engine = Engine(model, config.engine, config.train, rank)
    try:
        if config.train.reset_optimizer is ResetOptimizer.never and job.stage > 1:
            engine.load_optimizer(Path(job.parent) / TRANSIENT)
        objective = instantiate(config.train.objective)
        passes = Passes(engine, config.train, objective, packed, prompts.eos_token_id)
        by_token = replace(passes, train=replace(config.train, loss_norm=LossNorm.tokens))
        view = View(engine, by_token.backward, config.seed, by_token.observe)
        data = own
        for strategy in strategies:
            strategy.before_task(view, job.task)
            data = strategy.training_data(data, history, config.seed)
        phases = [Phase(data, epochs)]
        for strategy in strategies:
            phases += strategy.phases(data, history)
        lengths = phase_steps(phases, own, epochs, config.train, config.seed)
        loop = _Loop(job, engine, passes, view, strategies)
        loop.run(phases, lengths, progress)
        for strategy in strategies:
            strategy.finish_weights(view, job.task)
        view.weights_are_final()
        for strategy in strategies:
            strategy.after_task(view, job.task, own)
        engine.export(folder)
        write_states(folder, strategies, view)
        if config.train.reset_optimizer is ResetOptimizer.never and not job.last:
            engine.save_optimizer(folder / TRANSIENT)
        cost = {
            "optimizer_steps": len(loop.log),
            "trained_tokens": loop.tokens,
            "stored_examples": _stored(own, phases, strategies),
            **meter.read(rank.world),
        }
    finally:
        engine.destroy()
    if rank.first:
        finish_stage(config.model, adapter, job.parent, job.stage, folder)
        save_tokenizer(prompts, folder)
        _write_log(folder, loop.log, data, packed, cost)


def _training_set(job: TrainJob, prompts: PromptFormat) -> tuple[TaskData, int]:
    """The rows and how many passes over them. Of several tasks every row is there as often as its
    task has epochs, so that joint training sees what the sequence sees."""
    loaded = [load_task_data(p.task, p.data, job.config.task[p.task], prompts) for p in job.parts]
    if len(loaded) == 1:
        return loaded[0], job.parts[0].epochs
    repeated = (d.examples * part.epochs for d, part in zip(loaded, job.parts, strict=True))
    return TaskData(job.task, [example for rows in repeated for example in rows]), 1


class _History:
    """Training data of the tasks before, for strategies."""

    def __init__(self, job: TrainJob, prompts: PromptFormat) -> None:
        self.tasks = [task for task, _ in job.earlier]
        self._files = dict(job.earlier)
        self._job, self._prompts = job, prompts

    def load(self, task: str) -> TaskData:
        settings = self._job.config.task[task]
        return load_task_data(task, self._files[task], settings, self._prompts)

    def load_file(self, path: str) -> TaskData:
        """Rows of a file, of no task's format. Named alike wherever the file lies: the name decides
        what is drawn and in which order."""
        config = self._job.config
        prompt, answer = widest_limits(config)
        limits = replace(
            next(iter(config.task.values())), max_prompt_tokens=prompt, max_answer_tokens=answer
        )
        return load_task_data("extra", Path(path), limits, self._prompts)


class _Loop:
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
        from harness.schedules import learning_rate

        train, peak = self.train, self.job.learning_rate
        return learning_rate(step, self.total_steps, peak, train.schedule, train.warmup_ratio)


def _may_pack(train: TrainConfig, strategies: Sequence[Strategy]) -> bool:
    return (
        train.packing is Packing.auto
        and train.loss_norm is LossNorm.tokens
        and all(strategy.supports_packing for strategy in strategies)
    )


def _strategies(job: TrainJob) -> list[Strategy]:
    """The method's stack, with what the previous stage left."""
    stack = list(load_strategies(job.config.method).values())
    if job.stage > 1:
        read_states(Path(job.parent), stack)
    return stack


def _stored(own: TaskData, phases: Sequence[Phase], strategies: Sequence[Strategy]) -> int:
    """Rows besides the task's own that the method kept: trained on, or held in a memory."""
    trained = sum(len(phase.data.examples) for phase in phases) - len(own.examples)
    return trained + sum(strategy.memory_rows() for strategy in strategies)


def _write_log(
    folder: Path, log: list[dict[str, Any]], data: TaskData, packed: bool, cost: dict[str, Any]
) -> None:
    report = {
        "task": data.name,
        "examples": len(data.examples),
        "tokens_per_epoch": data.tokens,
        "answer_tokens_per_epoch": data.answer_tokens,
        "truncated": data.truncation(),
        "packed": packed,
        "cost": cost,
        "steps": log,
    }
    write_json(folder / "training.json", report)
