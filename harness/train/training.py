"""One stage with its model running: what `train_task` makes, walks through and closes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from harness.config import LossNorm, Packing, ResetOptimizer, TrainConfig
from harness.data.encoding import PromptFormat
from harness.data.task_data import TaskData, load_task_data
from harness.methods.base import Strategy, running_state
from harness.methods.loading import load_strategies
from harness.methods.needs import Needs, Outputs
from harness.methods.stage import Phase, Stage
from harness.methods.view import SavedState, State
from harness.models.adapters.stages import Cut, start_model
from harness.models.family import family_of
from harness.models.memory import lasting_blocks
from harness.store.layout import TRANSIENT
from harness.store.listener import Notice
from harness.store.pulse import beat
from harness.train.blur import exchanged
from harness.train.budget import phase_steps
from harness.train.engine.carried import load_moments
from harness.train.engine.core import Engine
from harness.train.engine.partitioned import partition
from harness.train.engine.ranks import Rank
from harness.train.engine.settings import loading_device
from harness.train.engine.view import View
from harness.train.fitting import model_fitting
from harness.train.history import TaskHistory
from harness.train.job import Progress, TrainJob
from harness.train.live import Hear, Live
from harness.train.loop import Loop
from harness.train.objectives import load_objective
from harness.train.packing import settle
from harness.train.passes import Passes
from harness.train.rates import rate_factors
from harness.train.states import read_states
from harness.train.texts import OwnTexts


class Training:
    """The model, its engine, the strategies and their stage, up to the first step.

    `close()` gives back what DeepSpeed holds. All ranks call every method together.
    """

    def __init__(self, job: TrainJob, rank: Rank, prompts: PromptFormat) -> None:
        config = job.config
        self.job, self.strategies = job, list(load_strategies(config.method).values())
        if job.stage > 1:
            states = read_states(Path(job.parent))
            for strategy, saved in zip(self.strategies, states, strict=True):
                strategy.load(saved)
        needs = [strategy.needs() for strategy in self.strategies]
        own, epochs = _training_set(job, prompts)
        history = _history(job, prompts, self.strategies, needs)
        self.stage = Stage(job.task, job.stage, config.seed, history, own)
        gathering = config.engine.zero_stage == 3
        with model_fitting(config.engine), lasting_blocks(gathering):
            self.engine = self._start(rank)
        try:
            self._run(needs, prompts, epochs)
        except BaseException:
            self.close()
            raise

    @property
    def where(self) -> str:
        """What a line about this stage begins with."""
        return f"stage {self.stage.position}, {self.stage.task}"

    def notices(self) -> list[Notice]:
        """What a user has to know of how rows go through the model."""
        told = self.passes.division.told()
        fewer = [Notice(f"halved {self.where}", f"{self.where}: {told}")] if told else []
        return [*self.packing.notices, *fewer]

    def _start(self, rank: Rank) -> Engine:
        """The model under DeepSpeed."""
        beat(patient=True)
        job, config = self.job, self.job.config
        model, stored = start_model(
            config.model,
            config.method.adapter,
            job.parent,
            job.stage,
            config.engine.precision.value,
            loading_device(config.engine, rank.device),
            self._cut(rank),
        )
        for strategy in self.strategies:
            model = strategy.prepare_model(self.stage, model)
        rates = rate_factors(self.strategies, self.stage, model)
        return Engine(model, config.engine, config.train, rank, stored, rates)

    def _cut(self, rank: Rank) -> Cut | None:
        """How the ranks share a model's weights; None below ZeRO 3."""
        engine, train = self.job.config.engine, self.job.config.train
        if engine.zero_stage < 3:
            return None
        return Cut(partial(partition, engine=engine, train=train, rank=rank), rank.agree)

    def _run(self, needs: Sequence[Needs], prompts: PromptFormat, epochs: int) -> None:
        """From the running model to the first step."""
        config, stage = self.job.config, self.stage
        family, rows = family_of(config.model), stage.own.examples
        may, padded = family.packs and _may_pack(config.train, needs), family.padded(prompts)
        halvings = self.job.halvings
        with model_fitting(config.engine):
            self.packing = settle(self.engine, config, may, rows, padded, halvings)
        self.passes = passes = Passes(
            self.engine,
            config.train,
            load_objective(config.train),
            self.packing.packed,
            padded,
            Outputs.union(one.outputs for one in needs),
            halvings,
        )
        by_token = passes.by_token()
        self.view = View(self.engine, by_token.backward, by_token.observe)
        stage.model_runs(self.view, OwnTexts(self.job, prompts))
        stage.phases = [Phase(stage.own, epochs)]
        for strategy in self.strategies:
            stage.phases = strategy.data(stage, stage.phases)
        self.lengths = phase_steps(stage.phases, stage.own, epochs, config.train, config.seed)
        stage.total = sum(self.lengths)
        self.loop = Loop(self.job, self.engine, passes, self.view, stage, self.strategies)

    def live(self, hear: Hear) -> Live:
        """Who tells `hear` of the steps; it has to be flushed in the end."""
        stage = self.stage
        about = {"stage": stage.position, "task": stage.task, "total": stage.total}
        self.loop.live = Live(hear, about)
        return self.loop.live

    def start(self) -> None:
        """Ready for the first step, with the moments of the stage before where they are carried."""
        job = self.job
        if job.config.train.reset_optimizer is ResetOptimizer.never and job.stage > 1:
            load_moments(Path(job.parent) / TRANSIENT, self.engine)
        for strategy in self.strategies:
            strategy.start(self.stage)

    def resume(self, states: Sequence[SavedState]) -> None:
        """Ready for a step in the middle of the stage, whose weights and moments the engine has:
        `states` are what the strategies' `running` gave there."""
        for strategy, saved in zip(self.strategies, states, strict=True):
            strategy.resume(self.stage, saved)

    def running(self) -> list[State] | None:
        """What `resume` takes, between two steps; None where a strategy cannot say."""
        states = [running_state(strategy) for strategy in self.strategies]
        known = [state for state in states if state is not None]
        return known if len(known) == len(states) else None

    def run(self, progress: Progress, first: int = 0, stop: int | None = None) -> None:
        """The steps, from `first` to the last or to the one before `stop`."""
        self.loop.run(self.lengths, progress, first, stop)

    def finish(self) -> None:
        """Last changes of the weights, and what is measured on them."""
        for strategy in self.strategies:
            strategy.finish(self.stage)
        self.view.weights_are_final()
        for strategy in self.strategies:
            strategy.measure(self.stage)

    def stored(self) -> int:
        """Rows besides the task's own that the method kept: trained on, or held in a memory."""
        trained = sum(len(phase.data.examples) for phase in self.stage.phases)
        held = sum(strategy.memory_rows() for strategy in self.strategies)
        return trained - len(self.stage.own.examples) + held

    def close(self) -> None:
        """Give back what DeepSpeed holds. What refers to this object keeps the model in memory."""
        self.engine.destroy()


def _training_set(job: TrainJob, prompts: PromptFormat) -> tuple[TaskData, int]:
    """The rows and how many passes over them. Of several tasks every row is there as often as its
    task has epochs, so that joint training sees what the sequence sees."""
    loaded = [load_task_data(p.task, p.data, job.config.task[p.task], prompts) for p in job.parts]
    if len(loaded) == 1:
        own = loaded[0] if job.neighbours is None else exchanged(loaded[0], job, prompts)
        return own, job.parts[0].epochs
    repeated = (d.examples * part.epochs for d, part in zip(loaded, job.parts, strict=True))
    return TaskData(job.task, [example for rows in repeated for example in rows]), 1


def _history(
    job: TrainJob, prompts: PromptFormat, strategies: Sequence[Strategy], needs: Sequence[Needs]
) -> TaskHistory:
    files = {file for strategy in strategies for file in strategy.key_inputs(()).files}
    return TaskHistory(job, prompts, any(one.rows for one in needs), files)


def _may_pack(train: TrainConfig, needs: Sequence[Needs]) -> bool:
    return (
        train.packing is Packing.auto
        and train.loss_norm is LossNorm.tokens
        and all(one.packing for one in needs)
    )
