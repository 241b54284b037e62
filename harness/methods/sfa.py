"""Sequential fine-tuning with averaging (SFA).

"Soup to go: mitigating forgetting during continual learning with model averaging" (arXiv
2501.05559). In a task of T optimizer steps, after every round(p T) steps and after the last one,

    theta <- (1 - beta) theta + beta anchor.

p = 1 merges once, which is WiSE-FT (arXiv 2109.01903) after every task. The paper gives no default
for p and beta and does not say what becomes of Adam's moments at a merge. With an adapter its
factors are averaged, not their product.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness.errors import ConfigError
from harness.methods.anchored import Anchored
from harness.ranges import require_range

if TYPE_CHECKING:
    from harness.engine.view import View


class Moments(Enum):
    kept = "kept"
    reset = "reset"


@dataclass
class SFA(Anchored):
    """Merge the weights with the anchor during the task and at its end.

    p: part of a task's steps between two merges, in (0, 1].
    beta: weight of the anchor in a merge, in [0, 1]; 0 is sequential fine-tuning.
    moments: kept | reset (Adam's moments and step count start anew after a merge).
    """

    p: float = 0.25
    beta: float = 0.25
    moments: Moments = Moments.kept

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.p <= 1:
            raise ConfigError(f"p={self.p}: it must be in (0, 1]")
        require_range("beta", self.beta, 0, 1)

    def after_step(self, view: "View", step: int, total_steps: int) -> None:
        done, period = step + 1, max(1, round(self.p * total_steps))
        if self.beta == 0 or (done % period and done < total_steps):
            return
        view.update_weights(lambda s: s.weight.lerp_(self.anchors[s.name], self.beta))
        if self.moments is Moments.reset:
            view.reset_moments()
