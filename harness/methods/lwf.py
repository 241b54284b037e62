"""Learning without forgetting (LwF): the previous stage's predictions are kept.

"Learning without Forgetting" (arXiv 1606.09282) with the distillation loss of "Distilling the
Knowledge in a Neural Network" (arXiv 1503.02531): at every answer token of the new task

    loss += weight T^2 KL(p_old || p_new),  p = softmax(logits / T),

where p_old are the predictions of the model that the task starts from, computed once before
training; no second model is held. Of p_old the k largest probabilities are stored, and all other
tokens count as one: their joint probability is compared as well. The first task has no earlier
stage that is worth keeping by this method: it is plain fine-tuning.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.needs import Needs
from harness.methods.shared.distilling import Distilling
from harness.methods.shared.teacher import Teacher, divergence, predictions
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


@dataclass
class LwF(Distilling):
    """Distil the stage before into the next.

    weight: of the distillation loss, 0 or more; 0 is sequential fine-tuning.
    temperature: T, above 0.
    top_k: probabilities stored for each answer token (8 bytes each).
    """

    weight: float = 1.0
    temperature: float = 2.0
    top_k: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("weight", self.weight, 0)
        require_range("temperature", self.temperature, 1e-3)
        require_range("top_k", self.top_k, 1)

    def needs(self) -> Needs:
        return Needs(history=self.weight > 0)

    def start(self, stage: Stage) -> None:
        if self.weight > 0 and stage.history.tasks:
            self._ask(stage)

    def _ask(self, stage: Stage) -> None:
        """What the model as it is now says of the rows that the task trains on."""
        self.teacher.ask(
            stage,
            stage.phases[0].data.examples,
            lambda made: predictions(made.logits, self.top_k, self.temperature),
        )

    def loss(self, stage: Stage, made: "Pass") -> "Tensor | None":
        weight = self.weight * self.temperature**2
        away = partial(divergence, temperature=self.temperature)
        return self._penalty(stage, made, weight, away)

    def running(self) -> State:
        return self.teacher.state()

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self.teacher = Teacher.read(saved)
