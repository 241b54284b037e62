"""Sequential fine-tuning with averaging (SFA).

"Soup to go: mitigating forgetting during continual learning with model averaging" (arXiv
2501.05559). In a task of T optimizer steps, after every round(p T) steps and after the last one,

    theta <- (1 - beta) theta + beta anchor.

p = 1 merges once, which is WiSE-FT (arXiv 2109.01903) after every task. The paper gives no default
for p and beta and does not say what becomes of Adam's moments at a merge.

With an adapter theta is W + s B A. One that is fresh at every task starts at B = 0, so that the
anchor is W and the average is W + s ((1 - beta) B) A: exact, B alone shrinks. The average of two
products of rank r has no such form otherwise; there A and B are averaged each by itself.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from harness.config import AdapterConfig, BetweenTasks
from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.shared.anchored import Anchored
from harness.methods.stage import Stage
from harness.methods.view import Shard, State
from harness.models.adapters.lora import factor_of

if TYPE_CHECKING:
    from torch import Tensor


class Moments(Enum):
    kept = "kept"
    reset = "reset"


class MergeSpace(Enum):
    delta = "delta"
    factors = "factors"


@dataclass
class SFA(Anchored):
    """Merge the weights with the anchor during the task and at its end.

    p: part of a task's steps between two merges, in (0, 1].
    beta: weight of the anchor in a merge, in [0, 1]; 0 is sequential fine-tuning.
    moments: kept | reset (Adam's moments and step count start anew after a merge).
    merge_space: with an adapter, delta (its product is averaged; it has to be fresh at every task)
    or factors; null = delta where it can be.
    """

    p: float = 0.25
    beta: float = 0.25
    moments: Moments = Moments.kept
    merge_space: MergeSpace | None = None

    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.of_product = False
        require_range("p", self.p, 0, 1, open_low=True)
        require_range("beta", self.beta, 0, 1)

    def join_adapter(self, adapter: AdapterConfig | None) -> None:
        fresh = adapter is not None and adapter.between_tasks is not BetweenTasks.keep
        if self.merge_space is MergeSpace.delta and adapter is not None and not fresh:
            raise ConfigError(
                "merge_space=delta: the average of two adapters of rank r has rank 2 r; use "
                "method.adapter.between_tasks=merge or stack, or merge_space=factors"
            )
        self.of_product = fresh and self.merge_space is not MergeSpace.factors

    def running(self) -> State:
        return super().running()  # its hook keeps nothing

    def weights(self, stage: Stage) -> None:
        done, period = stage.step + 1, max(1, round(self.p * stage.total))
        if self.beta == 0 or (done % period and done < stage.total):
            return
        stage.view.update_weights(self._merged)
        if self.moments is Moments.reset:
            stage.view.reset_moments()

    def _merged(self, shard: Shard) -> "Tensor | None":
        if self.of_product and factor_of(shard.name) == "A":
            return None
        return shard.weight.lerp_(self.anchors[shard.name], self.beta)
