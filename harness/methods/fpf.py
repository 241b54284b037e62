"""Forgetting prioritised fine-tuning (FPF, k-FPF): the weights that forget most are trained on a
buffer of all tasks, now and then instead of at every step.

"Does Continual Learning Equally Forget All Parameters?" (arXiv 2304.04158). The sensitivity of a
parameter tensor m is how far it moves between tasks,

    s_m = |theta_m - theta_m at the start of the task|_1 / |theta_m|,

the most sensitive are trained, all others stay: FPF at the end of a task, after any method; k-FPF k
times on the way, instead of replay at every step. Here, from the second task on: the most sensitive
tensors, as far as they fit into a share of all trained weights (the paper finds its modules once,
here they are found anew each time); a buffer that holds rows of the current task too, as the
paper's does. They are trained by an Adam of their own (betas 0.9 and 0.999, epsilon 1e-6), which
begins anew each time; that of the task does not see it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.errors import StageFailed
from harness.methods.base import Strategy
from harness.methods.memory import Memory
from harness.methods.needs import Needs
from harness.methods.stage import Stage
from harness.methods.view import SavedState, Shard, Sharded, State

if TYPE_CHECKING:
    from torch import Tensor


BETAS, EPSILON = (0.9, 0.999), 1e-6


@dataclass
class FPF(Strategy):
    """Train the most sensitive weights on a buffer.

    times: k, how often in a task, at equal distances, the last time at its end; 0 is sequential
        fine-tuning. steps: optimizer steps each time. rate: their learning rate, above 0.
    share: of all trained weights, in (0, 1], that the chosen may be.
    ratio: share of each task's training rows that the buffer holds, in [0, 1]; buffer: unless null,
        so many in all. batch_size: of them at each step.
    """

    times: int = 1
    steps: int = 20
    rate: float = 1e-5
    share: float = 0.01
    ratio: float = 0.1
    buffer: int | None = None
    batch_size: int = 32

    def __post_init__(self) -> None:
        require_range("times", self.times, 0)
        require_range("steps", self.steps, 1)
        require_range("rate", self.rate, 0, open_low=True)
        require_range("share", self.share, 0, 1, open_low=True)
        require_range("batch_size", self.batch_size, 1)
        if self.buffer is not None:
            require_range("buffer", self.buffer, 0)
        self.memory = Memory("fpf", self.ratio, self.buffer)
        self.before: Sharded = {}
        self.active, self.own_rows = False, 0

    def needs(self) -> Needs:
        active = self.times > 0 and self.memory.active
        return Needs(history=active, rows=active, sharp=active, copies=2 if active else 0)

    def memory_rows(self) -> int:
        return len(self.memory) - self.own_rows

    def start(self, stage: Stage) -> None:
        self._collect(stage)
        if self.active:
            self.before = stage.view.weights()

    def _collect(self, stage: Stage) -> None:
        self.active = self.needs().rows and bool(stage.history.tasks)
        if self.active:
            self.memory.keep(self.memory.ahead(stage))
            self.own_rows = len(self.memory.of(stage.task))

    def weights(self, stage: Stage) -> None:
        ends = {round(turn * stage.total / self.times) for turn in range(1, self.times + 1)}
        if self.active and stage.step + 1 in ends:
            self._train(stage, self._chosen(stage))

    def _chosen(self, stage: Stage) -> set[str]:
        """Names of the most sensitive parameters that fit into the share."""
        import torch

        view = stage.view
        names = {name: place for place, name in enumerate(view.shapes)}
        moved = torch.zeros(len(names), dtype=torch.float64, device=view.device)
        for shard in view.shards():
            away = (shard.weight - self.before[shard.name]).abs()
            moved[names[shard.name]] = away.sum(dtype=torch.float64)
        moved = view.sum_over_shards(moved)
        sizes = {name: shape.numel() for name, shape in view.shapes.items()}
        chosen = most_sensitive(dict(zip(names, moved.tolist(), strict=True)), sizes, self.share)
        if not chosen:
            least = min(sizes.values()) / sum(sizes.values())
            told = f"the smallest parameter is {least:.2g} of the trained weights"
            raise StageFailed(f"fpf: share={self.share} leaves nothing to train; {told}")
        return chosen

    def _train(self, stage: Stage, chosen: set[str]) -> None:
        """Collective. Adam on the buffer, for the chosen parameters."""
        import torch

        moments: dict[str, tuple[Tensor, Tensor]] = {}
        for step in range(1, self.steps + 1):
            batch = self.memory.draw(stage, self.batch_size, part=str(step))
            if not batch:
                return  # the ratio leaves no row
            gradient = stage.view.gradient_of(batch)

            def moved(shard: Shard, gradient: Sharded = gradient, step: int = step):
                if shard.name not in chosen:
                    return None
                grad = gradient[shard.name]
                mean, square = moments.setdefault(
                    shard.name, (torch.zeros_like(grad), torch.zeros_like(grad))
                )
                mean.lerp_(grad, 1 - BETAS[0])
                square.lerp_(grad * grad, 1 - BETAS[1])
                size = (square / (1 - BETAS[1] ** step)).sqrt_().add_(EPSILON)
                return shard.weight - self.rate / (1 - BETAS[0] ** step) * mean / size

            stage.view.update_weights(moved)

    def running(self) -> State:
        return State(sharded={"before": self.before} if self.active else {})

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self._collect(stage)
        self.before = saved.sharded("before", stage.view) or {}


def most_sensitive(moved: dict[str, float], sizes: dict[str, int], share: float) -> set[str]:
    """Parameters by `moved` / size, the largest first, passing over what would make them more than
    `share` of all weights; moved: the L1 norm of each one's change."""
    room, chosen = share * sum(sizes.values()), set[str]()
    for name in sorted(sizes, key=lambda name: (-moved[name] / sizes[name], name)):
        if sizes[name] <= room:
            room -= sizes[name]
            chosen.add(name)
    return chosen
