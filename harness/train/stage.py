"""Train ONE task: from the previous stage's folder to the next one's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.config import ResetOptimizer
from harness.config.plain import plain
from harness.data.encoding import PromptFormat
from harness.data.randomness import derive_seed, seed_everything
from harness.models.adapters.stages import finish_stage
from harness.models.loading import load_prompts, save_tokenizer
from harness.models.memory import release_memory
from harness.store.files import write_json
from harness.store.layout import TRAINING, TRANSIENT
from harness.store.listener import SILENT, Notice
from harness.store.scores import StageCost
from harness.train.checkpoint import Checkpoints, Keeping
from harness.train.cost import CostMeter
from harness.train.engine.carried import save_moments
from harness.train.engine.ranks import Rank
from harness.train.job import Progress, TrainJob
from harness.train.live import Hear
from harness.train.states import write_states
from harness.train.training import Training


def train_task(
    job: TrainJob,
    folder: Path,
    rank: Rank,
    progress: Progress,
    tell: Callable[[Notice], None] = SILENT.tell,
    keeping: Keeping | None = None,
    hear: Hear = SILENT.steps,
) -> None:
    """Train job.task and write the model, the strategies' state and the log into `folder`.

    All ranks call it together; `progress(done, total)` counts optimizer steps, `tell` hears what a
    user has to know of how it is done. keeping: where checkpoints lie, from the latest of which the
    stage goes on; None = there are none. hear: on the first rank, the steps as they happen.
    """
    config = job.config
    meter = CostMeter(rank.device)
    seed_everything(derive_seed("stage", config.seed, job.stage))
    prompts = load_prompts(config.model, job.parent)
    log = _trained(job, folder, rank, progress, tell, prompts, meter, keeping, hear)
    release_memory()
    if rank.first:
        finish_stage(config.model, config.method.adapter, job.parent, job.stage, folder)
        save_tokenizer(prompts, folder)
        write_json(folder / TRAINING, log)


def _trained(
    job: TrainJob,
    folder: Path,
    rank: Rank,
    progress: Progress,
    tell: Callable[[Notice], None],
    prompts: PromptFormat,
    meter: CostMeter,
    keeping: Keeping | None,
    hear: Hear,
) -> dict[str, Any]:
    """The log of the stage, whose weights are in `folder` then. Nobody refers to the model any more
    when this is left."""
    training = Training(job, rank, prompts)
    live = training.live(hear)
    for notice in training.notices():
        tell(notice)
    try:
        checkpoints = Checkpoints(training, keeping, meter, tell)
        first = checkpoints.begin()
        live.begin(training.loop.log)
        with checkpoints.following(progress) as after:
            training.run(after, first)
        training.finish()
        _write_stage(training, folder)
        hours, peak = meter.read(rank.world)
        cost = StageCost(
            optimizer_steps=len(training.loop.log),
            trained_tokens=training.loop.tokens,
            stored_examples=training.stored(),
            device_hours=hours,
            peak_memory=peak,
        )
        return _log(training, cost)
    finally:
        live.flush()
        training.close()


def _write_stage(training: Training, folder: Path) -> None:
    """The model, what strategies hand on, and the moments where the next stage carries them."""
    job, engine = training.job, training.engine
    engine.export(folder)
    states = [strategy.state() for strategy in training.strategies]
    write_states(folder, states, training.view)
    if job.config.train.reset_optimizer is ResetOptimizer.never and not job.last:
        save_moments(folder / TRANSIENT, engine)


def _log(training: Training, cost: StageCost) -> dict[str, Any]:
    """What training.json says; of the rows those of the first phase."""
    loop, data = training.loop, training.stage.phases[0].data
    halvings = training.job.halvings
    return {
        "task": data.name,
        "examples": len(data.examples),
        "tokens_per_epoch": data.tokens,
        "answer_tokens_per_epoch": data.answer_tokens,
        "truncated": data.truncation(),
        "packed": training.packing.packed,
        "attention": training.packing.attention,
        "notices": [notice.line for notice in training.notices()],
        **({"halvings": halvings} if halvings else {}),
        "cost": plain(cost),
        "steps": loop.log,
    }
