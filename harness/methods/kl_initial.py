"""Fine-tuning with a divergence to the initial model on the task's own rows ("SFT + KL").

The penalty that reinforcement learning from feedback puts on its reward ("Training language models
to follow instructions with human feedback", arXiv 2203.02155, eq. 2), on the answers of the task
instead of sampled ones; how far a model has moved by this measure tells what it has forgotten
("RL's Razor: Why Online Reinforcement Learning Forgets Less", arXiv 2509.04259). At every answer
token

    loss += weight D(p_0, p),   D = KL(p || p_0) (reverse, as there) or KL(p_0 || p) (forward),

with p_0 the model before the first task. Its predictions of a task's rows are made before the task
trains on them: its weights, which the stages hand on, take the place of the current ones for these
passes. As in LwF the k largest probabilities are stored, the other tokens are one outcome. Weights
that the stage does not train stay what they are meanwhile.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.needs import Needs
from harness.methods.shared.distilling import Distilling
from harness.methods.shared.teacher import Teacher, divergence, predictions, reverse_divergence
from harness.methods.stage import Stage
from harness.methods.view import SavedState, Sharded, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


class Direction(Enum):
    """reverse: KL(p || p_0), what the model says weighs; forward: KL(p_0 || p)."""

    reverse = "reverse"
    forward = "forward"


@dataclass
class KLInitial(Distilling):
    """Stay near the initial model on the rows that are trained on.

    weight: of the divergence, 0 or more; 0 is sequential fine-tuning.
    direction: reverse | forward.
    top_k: probabilities stored for each answer token (8 bytes each).
    """

    weight: float = 0.1
    direction: Direction = Direction.reverse
    top_k: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("weight", self.weight, 0)
        require_range("top_k", self.top_k, 1)
        self.initial: Sharded = {}
        self.saved: SavedState | None = None

    def needs(self) -> Needs:
        active = self.weight > 0
        return Needs(carries_weights=active, copies=2 if active else 0)

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def start(self, stage: Stage) -> None:
        if self.weight == 0:
            return
        view, here = stage.view, stage.view.weights()
        self._read(stage)
        self.initial = self.initial or here
        view.update_weights(lambda s: self.initial[s.name])
        self.teacher.ask(
            stage, stage.phases[0].data.examples, lambda m: predictions(m.logits, self.top_k)
        )
        view.update_weights(lambda s: here[s.name])

    def _read(self, stage: Stage) -> None:
        if self.saved is not None:
            self.initial = self.saved.sharded("initial", stage.view) or {}

    def loss(self, stage: Stage, made: "Pass") -> "Tensor | None":
        away = divergence if self.direction is Direction.forward else reverse_divergence
        return self._penalty(stage, made, self.weight, away)

    def state(self) -> State:
        return State(sharded={"initial": self.initial} if self.weight > 0 else {})

    def running(self) -> State:
        return replace(self.teacher.state(), sharded=self.state().sharded)

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self.teacher = Teacher.read(saved)
        self.initial = saved.sharded("initial", stage.view) or {}
