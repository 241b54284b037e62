"""Bytes that work writes into a store, for `plan` and before it starts; no torch.

Stages hold fp32 values, whatever the passes' precision. A checkpoint holds fp32 weights and two
moments of what is trained; what strategies keep in it is not counted. What edits measure of models
waits in files about as large as the models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.config import BetweenTasks, HarnessConfig, ResetOptimizer
from harness.data.encoding import BYTES_A_TOKEN
from harness.methods.edits.loading import load_edit
from harness.plan.memory.model import model_of
from harness.store.work import EditWork, EvalWork, TrainWork, Work

FP32 = 4
OF_A_CHECKPOINT = 3  # fp32 values for each weight: itself, and Adam's two moments
OF_A_ROW = 500  # bytes that an answer takes beside its text


@dataclass(frozen=True)
class Written:
    """Bytes of one piece of work: what stays of it, the most that it takes while it is made, and
    what of a stage goes when the one after it is done."""

    stays: float = 0.0
    most: float = 0.0
    carried: float = 0.0


class DiskNeeds:
    """What work of a configuration writes; of a model whose size is unknown, answers alone.

    checkpoint: bytes of one, 0 where a stage keeps none.
    """

    def __init__(self, config: HarnessConfig) -> None:
        self.config, model = config, model_of(config)
        self.weights = 0.0 if model is None else model.weights
        self.trained = 0.0 if model is None else model.trained
        train = config.train
        keeps = train.checkpoint_steps is not None or train.checkpoint_minutes is not None
        self.checkpoint = FP32 * OF_A_CHECKPOINT * self.trained if keeps else 0.0

    def of(self, work: Work) -> Written:
        """Of one piece of work."""
        if isinstance(work, TrainWork):
            return self._stage(work)
        if isinstance(work, EditWork):
            edited = FP32 * self.weights
            waits = load_edit(work.settings, f"method.{work.name}").keeps
            return Written(edited, edited * (1 + len(work.lessons) * waits))
        if isinstance(work, EvalWork):
            text = float(BYTES_A_TOKEN * work.read_tokens + OF_A_ROW * work.items)
            return Written(text, text)
        return Written()

    def _stage(self, work: TrainWork) -> Written:
        """While a checkpoint is written the one before it is there, and behind the last step one
        beside the new stage."""
        stays = FP32 * self._stored(work)
        never = self.config.train.reset_optimizer is ResetOptimizer.never
        carried = FP32 * OF_A_CHECKPOINT * self.trained if never and not work.last else 0.0
        most = max(2 * self.checkpoint, self.checkpoint + stays + carried)
        return Written(stays, most, carried)

    def _stored(self, work: TrainWork) -> float:
        """Values of a stage's weights."""
        adapter = self.config.method.adapter
        if adapter is None or adapter.between_tasks is BetweenTasks.merge:
            return self.weights
        ranks = work.position if adapter.between_tasks is BetweenTasks.stack else 1
        return self.trained * ranks

    def peak(self, works: Sequence[Work], freed: Mapping[str, float]) -> float:
        """The most that is written at once where these are done in this order. freed: bytes of
        models, by key, that go as soon as none of these works reads them any more."""
        last = {key: at for at, work in enumerate(works) for _, key in work.needs()}
        taken = most = carried = 0.0
        for at, work in enumerate(works):
            written = self.of(work)
            most = max(most, taken + carried + written.most)
            taken += written.stays
            if isinstance(work, TrainWork):
                carried = written.carried
            gone = {key for key in (work.key, *(k for _, k in work.needs())) if key in freed}
            taken -= sum(freed[key] for key in gone if last.get(key, at) == at)
        return most
