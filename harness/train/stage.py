"""Train ONE task: from the previous stage's folder to the next one's."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.config import LossNorm, Packing, ResetOptimizer, TrainConfig
from harness.config.plain import plain
from harness.data.encoding import PromptFormat
from harness.data.randomness import derive_seed, seed_everything
from harness.data.task_data import TaskData, load_task_data
from harness.methods.base import Phase, Strategy
from harness.methods.loading import load_objective, load_strategies
from harness.models.adapters.stages import finish_stage, start_model
from harness.models.loading import load_prompts, save_tokenizer
from harness.store.files import write_json
from harness.store.layout import TRAINING, TRANSIENT
from harness.store.scores import StageCost
from harness.train.budget import phase_steps
from harness.train.cost import CostMeter
from harness.train.engine.core import Engine
from harness.train.engine.probe import packs_exactly
from harness.train.engine.ranks import Rank
from harness.train.engine.view import View
from harness.train.history import TaskHistory
from harness.train.job import Progress, TrainJob
from harness.train.loop import Loop
from harness.train.passes import Passes
from harness.train.states import read_states, write_states


def train_task(job: TrainJob, folder: Path, rank: Rank, progress: Progress) -> None:
    """Train job.task and write the model, the strategies' state and the log into `folder`.

    All ranks call it together; `progress(done, total)` counts optimizer steps.
    """
    config = job.config
    meter = CostMeter(rank.device)
    seed_everything(derive_seed("stage", config.seed, job.stage))
    prompts, strategies = load_prompts(config.model, job.parent), _strategies(job)
    own, epochs = _training_set(job, prompts)
    history = TaskHistory(job, prompts)
    adapter = config.method.adapter
    model = start_model(config.model, adapter, job.parent, job.stage)
    for strategy in strategies:
        model = strategy.prepare_model(model, job.task, history.tasks, config.seed)
    packed = _may_pack(config.train, strategies) and packs_exactly(model)
    engine = Engine(model, config.engine, config.train, rank)
    try:
        if config.train.reset_optimizer is ResetOptimizer.never and job.stage > 1:
            engine.load_optimizer(Path(job.parent) / TRANSIENT)
        objective = load_objective(config.train)
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
        loop = Loop(job, engine, passes, view, strategies)
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
        hours, peak = meter.read(rank.world)
        cost = StageCost(
            optimizer_steps=len(loop.log),
            trained_tokens=loop.tokens,
            stored_examples=_stored(own, phases, strategies),
            device_hours=hours,
            peak_memory=peak,
        )
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
    folder: Path, log: list[dict[str, Any]], data: TaskData, packed: bool, cost: StageCost
) -> None:
    report = {
        "task": data.name,
        "examples": len(data.examples),
        "tokens_per_epoch": data.tokens,
        "answer_tokens_per_epoch": data.answer_tokens,
        "truncated": data.truncation(),
        "packed": packed,
        "cost": plain(cost),
        "steps": log,
    }
    write_json(folder / TRAINING, report)
