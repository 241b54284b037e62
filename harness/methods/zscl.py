"""Zero-shot continual learning (ZSCL): the initial model is distilled on reference texts, and the
weights are averaged on their way.

"Preventing Zero-Shot Transfer Degradation in Continual Learning of Vision-Language Models" (arXiv
2303.06628). Of its two parts, for a language model:

- feature space (eqs. 3 and 4): at every step, on texts that belong to no task,
  loss += weight T^2 KL(p_0 || p), p = softmax(logits / T), p_0 the model before the first task. For
  images it compares similarities to texts; here next tokens. As in LwF the k largest
  probabilities are kept, the other tokens are one outcome; no second model is held.
- parameter space (eq. 6): every I steps the n-th average is (n average + theta) / (n + 1), from the
  weights at the start of the task on; at the end it is the task's model. I is a share of the
  task's steps, so that short tasks are averaged as well (100 of 1,000 there).

The scripts' L2 distance to the start of the task is `l2`, their label smoothing that of the
objective: stack and set them.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from harness.config.ranges import require_range
from harness.methods.needs import Needs
from harness.methods.shared.adding import COPIES, add_gradient
from harness.methods.shared.average import Average
from harness.methods.shared.on_texts import OnTexts
from harness.methods.shared.teacher import Told, divergence, predictions
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


@dataclass
class ZSCL(OnTexts):
    """Distil the initial model on texts; leave each task with an average of its weights.

    weight: of distillation, 0 or more. p: steps between two averages, as a share of the task's, in
        [0, 1]; 0 averages nothing. Both 0 is sequential fine-tuning.
    temperature: T, above 0. top_k: probabilities stored for each answer token (8 bytes each).
    """

    texts_name: ClassVar[str] = "zscl"

    weight: float = 1.0
    p: float = 0.1
    temperature: float = 2.0
    top_k: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("weight", self.weight, 0)
        require_range("p", self.p, 0, 1)
        require_range("temperature", self.temperature, 1e-3)
        require_range("top_k", self.top_k, 1)
        self.average = Average()

    def needs(self) -> Needs:
        distils = self.weight > 0
        return replace(
            super().needs(),
            adds_gradient=distils,
            host_copies=COPIES if distils else 0,
            copies=1 if self.p > 0 else 0,
        )

    def _tell(self, made: "Pass") -> Told:
        return predictions(made.logits, self.top_k, self.temperature)

    def start(self, stage: Stage) -> None:
        if self.weight > 0:
            super().start(stage)
        if self.p > 0:
            self.average.begin(stage.view)

    def gradients(self, stage: Stage) -> None:
        def away(made: "Pass") -> "Tensor":
            of = partial(divergence, temperature=self.temperature)
            return self._penalty(stage, made, self.weight * self.temperature**2, of)

        if self.weight > 0:
            add_gradient(stage, self.memory.draw(stage, self.batch_size), away)

    def weights(self, stage: Stage) -> None:
        done, period = stage.step + 1, max(1, round(self.p * stage.total))
        if self.p > 0 and done % period == 0:
            self.average.add(stage.view, 1 / (done // period + 1))

    def finish(self, stage: Stage) -> None:
        if self.p > 0:
            self.average.leave(stage.view)

    def running(self) -> State:
        more = self.average.state().sharded if self.p > 0 else {}
        return replace(super().running(), sharded=more)

    def resume(self, stage: Stage, saved: SavedState) -> None:
        super().resume(stage, saved)
        self.average.read(saved, stage.view)
