"""Train ONE task: from the previous stage's folder to the next one's."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig, LossNorm, Packing, ResetOptimizer, TrainConfig
from harness.data.order import batch_indices, derive_seed, steps_per_epoch
from harness.data.packing import MicroBatch, bins, pack, pad
from harness.data.prompts import Example, PromptFormat
from harness.data.task_data import TaskData, load_task_data
from harness.engine.core import Engine
from harness.engine.probe import packs_exactly
from harness.engine.ranks import Rank, seed_everything
from harness.errors import StageFailed
from harness.files import write_json
from harness.methods.base import Phase, Strategy
from harness.methods.loading import load_strategies
from harness.modeling import load_adapter, load_model, load_prompts, new_adapter, save_tokenizer
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

    `stage` counts the tasks trained including this one; `earlier` are the tasks before, in order,
    with their training files; `parent` is the folder of the stage before (or the initial model)."""

    config: HarnessConfig
    stage: int
    task: str
    parts: list[Part]
    learning_rate: float
    parent: Path | str
    earlier: dict[str, Path]
    last: bool


def train_task(job: TrainJob, folder: Path, rank: Rank, progress: Progress) -> None:
    """Train job.task and write the model, the strategies' state and the log into `folder`.

    All ranks call it together; `progress(done, total)` counts optimizer steps.
    """
    config = job.config
    seed_everything(derive_seed("stage", config.seed, job.stage))
    prompts, strategies = load_prompts(config.model, job.parent), _strategies(job)
    data, epochs = _training_set(job, prompts)
    history = _History(job, prompts)
    model = _start_model(job)
    for strategy in strategies:
        model = strategy.prepare_model(model, job.task)
    packed = _may_pack(config.train, strategies) and packs_exactly(model)
    engine = Engine(model, config.engine, config.train, rank)
    try:
        if config.train.reset_optimizer is ResetOptimizer.never and job.stage > 1:
            engine.load_optimizer(Path(job.parent) / TRANSIENT)
        for strategy in strategies:
            strategy.before_task(job.task)
            data = strategy.training_data(data, history, config.seed)
        phases = [Phase(data, epochs)]
        for strategy in strategies:
            phases += strategy.phases(data, history)
        loop = _Loop(job, engine, rank, strategies, packed, prompts)
        for phase in phases:
            loop.run(phase, progress)
        for strategy in strategies:
            strategy.after_task(job.task, data)
        engine.export(folder)
        if config.train.reset_optimizer is ResetOptimizer.never and not job.last:
            engine.save_optimizer(folder / TRANSIENT)
    finally:
        engine.destroy()
    if rank.first:
        save_tokenizer(prompts, folder)
        _write_state(folder, strategies)
        _write_log(folder, loop.log, data, packed)


def _training_set(job: TrainJob, prompts: PromptFormat) -> tuple[TaskData, int]:
    """The rows and how many passes over them. Of several tasks every row is there as often as its
    task has epochs, so that joint training sees what the sequence sees."""
    loaded = [load_task_data(p.task, p.data, job.config.task[p.task], prompts) for p in job.parts]
    if len(loaded) == 1:
        return loaded[0], job.parts[0].epochs
    repeated = (d.examples * part.epochs for d, part in zip(loaded, job.parts, strict=True))
    return TaskData(job.task, [example for rows in repeated for example in rows]), 1


def _start_model(job: TrainJob) -> Any:
    """The fp32 module to train: the stage before, or the initial model with its adapter."""
    model, adapter = job.config.model, job.config.method.adapter
    if adapter is None:
        return load_model(model, job.parent, "fp32")
    base = load_model(model, model.path, "fp32")
    if job.stage == 1:
        return new_adapter(base, adapter)
    return load_adapter(base, job.parent, trainable=True)


class _History:
    """Training data of the tasks before, for strategies."""

    def __init__(self, job: TrainJob, prompts: PromptFormat) -> None:
        self.tasks = list(job.earlier)
        self._job, self._prompts = job, prompts

    def load(self, task: str) -> TaskData:
        settings = self._job.config.task[task]
        return load_task_data(task, self._job.earlier[task], settings, self._prompts)

    def load_file(self, path: str) -> TaskData:
        """Rows of a file, with the limits of the task in training."""
        settings = self._job.config.task[self._job.parts[0].task]
        return load_task_data(path, Path(path), settings, self._prompts)


class _Loop:
    """The steps of one task."""

    def __init__(
        self,
        job: TrainJob,
        engine: Engine,
        rank: Rank,
        strategies: Sequence[Strategy],
        packed: bool,
        prompts: PromptFormat,
    ) -> None:
        from hydra.utils import instantiate

        self.job, self.engine, self.rank = job, engine, rank
        self.strategies = strategies
        self.train = job.config.train
        self.packed = packed
        self.pad_token_id = prompts.eos_token_id
        self.objective = instantiate(job.config.train.objective)
        self.log: list[dict[str, Any]] = []

    def run(self, phase: Phase, progress: Progress) -> None:
        """All optimizer steps of one phase."""
        size = len(phase.data.examples)
        total = phase.epochs * steps_per_epoch(size, self.train.batch_size)
        total = min(total, self.train.max_steps or total)
        for step in range(total):
            picked = batch_indices(
                self.job.config.seed, phase.data.name, step, size, self.train.batch_size
            )
            loss = self._step([phase.data.examples[i] for i in picked], step, total)
            if not math.isfinite(loss):
                raise StageFailed(
                    f"the loss of {self.job.task} is {loss} at step {step + 1}; "
                    "lower train.learning_rate"
                )
            progress(step + 1, total)

    def _step(self, examples: list[Example], step: int, total: int) -> float:
        import torch

        config = self.job.config
        torch.manual_seed(derive_seed("step", config.seed, self.job.stage, step, self.rank.index))
        shares = step_shares(examples, self.train, self.packed, self.rank.world, self.pad_token_id)
        mine = shares[self.rank.index :: self.rank.world]
        answer_tokens = sum(len(example.answer_ids) for example in examples)
        total_loss = torch.zeros((), dtype=torch.float64)
        for index, (batch, micro_batches) in enumerate(mine):
            idle = batch is None
            loss = self._loss(shares[0][0] if idle else batch)
            share = _share(loss, self.train, answer_tokens, micro_batches) * (0.0 if idle else 1.0)
            total_loss += share.detach().double().cpu()
            self.engine.backward(share, last=index == len(mine) - 1)
        rate = self._rate(step, total)
        self.engine.step(rate)
        loss_value = self._sum_over_ranks(total_loss)
        self.log.append(
            {
                "step": step + 1,
                "loss": loss_value,
                "learning_rate": rate,
                "grad_norm": self.engine.grad_norm(),
            }
        )
        return loss_value

    def _loss(self, batch: MicroBatch) -> Any:
        """Loss of each answer token of one forward pass, [n]."""
        batch = batch.to(self.rank.device)
        output = self.engine.forward(**batch.inputs)
        logits = output.logits[batch.answer_rows, batch.answer_columns]
        loss = self.objective(logits, batch.targets)
        for strategy in self.strategies:
            extra = strategy.token_loss(batch, logits)
            loss = loss if extra is None else loss + extra
        return loss

    def _rate(self, step: int, total: int) -> float:
        from harness.schedules import learning_rate

        train = self.train
        peak = self.job.learning_rate
        return learning_rate(step, total, peak, train.schedule, train.warmup_ratio)

    def _sum_over_ranks(self, value: Any) -> float:
        import torch.distributed as dist

        value = value.to(self.rank.device)
        dist.all_reduce(value)
        return float(value)


def step_shares(
    examples: Sequence[Example], train: TrainConfig, packed: bool, world: int, pad_token_id: int
) -> list[tuple[MicroBatch | None, int]]:
    """The forward passes of one optimizer step, a multiple of `world`; pass i is rank i % world's.

    Each comes with the number of micro-batches of the step. None stands for an idle rank, which
    must still run a forward pass, with weight zero, for the collectives to match.
    """
    if packed:
        groups = bins([len(example) for example in examples], train.pack_tokens, world)
        made = [pack([examples[i] for i in group]) if group else None for group in groups]
    else:
        size = train.micro_batch_size
        rows = list(examples)
        if train.loss_norm is LossNorm.tokens:
            rows.sort(key=len)
        chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
        made = [pad(chunk, pad_token_id) for chunk in chunks]
        made += [None] * (-len(made) % world)
    count = sum(batch is not None for batch in made)
    return [(batch, count) for batch in made]


def _share(loss: Any, train: TrainConfig, answer_tokens: int, micro_batches: int) -> Any:
    """This pass's part of the step's loss; the parts of all passes on all ranks sum to it."""
    if train.loss_norm is LossNorm.tokens:
        return loss.sum() / answer_tokens
    return loss.mean() / micro_batches


def _may_pack(train: TrainConfig, strategies: Sequence[Strategy]) -> bool:
    return (
        train.packing is Packing.auto
        and train.loss_norm is LossNorm.tokens
        and all(strategy.supports_packing for strategy in strategies)
    )


def _strategies(job: TrainJob) -> list[Strategy]:
    """The method's stack, with what the previous stage left."""
    from safetensors.torch import load_file

    stack = list(load_strategies(job.config.method).values())
    if job.stage > 1:
        plain = json.loads((Path(job.parent) / "strategies.json").read_text())
        for index, strategy in enumerate(stack):
            path = Path(job.parent) / f"strategy_{index}.safetensors"
            strategy.load_state_dict(load_file(path) if path.exists() else {}, plain[index])
    return stack


def _write_state(folder: Path, strategies: Sequence[Strategy]) -> None:
    from safetensors.torch import save_file

    plain = []
    for index, strategy in enumerate(strategies):
        tensors, values = strategy.state_dict()
        plain.append(values)
        if tensors:
            save_file(tensors, folder / f"strategy_{index}.safetensors")
    write_json(folder / "strategies.json", plain)


def _write_log(folder: Path, log: list[dict[str, Any]], data: TaskData, packed: bool) -> None:
    report = {
        "task": data.name,
        "examples": len(data.examples),
        "tokens_per_epoch": data.tokens,
        "answer_tokens_per_epoch": data.answer_tokens,
        "truncated": data.truncation(),
        "packed": packed,
        "steps": log,
    }
    write_json(folder / "training.json", report)
