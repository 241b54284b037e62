"""Refresh learning: before each step the model unlearns the batch a little, then learns it.

"A Unified and General Framework for Continual Learning" (arXiv 2403.10097), in the
form of its authors' code. With g the gradient of the step's loss, for each tensor theta

    theta <- theta + rate (|theta| / |g| g + noise xi) / (1 + damping F),   xi ~ N(0, 1),

which climbs the loss by a part `rate` of the tensor's length, less where earlier tasks' diagonal
Fisher information F is large; then comes the ordinary step, with the gradient of the same rows at
the new weights. After a task F <- decay F + F_t: at the published decay of 1e-5, the last task's
alone. F_t is the mean over rows of p (d log p / d theta)^2; p is the answer's probability, which
for one of several tokens we take as their geometric mean.

A part of 1e-5 is less than bf16 can tell, so the fp32 master weights are moved. Ranks exchange the
squares of two lengths a tensor, all in one reduction. Costs a second forward and backward pass; its
gradient is that of the objective, a mean over answer tokens, without dropout.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.shared.fisher import drawn, mean_square
from harness.methods.stage import Stage
from harness.methods.view import SavedState, Shard, Sharded, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


CHUNK = 1 << 20  # elements of one draw of noise, so that a rank draws little beside its own


@dataclass
class Refresh(Strategy):
    """Unlearn each batch a little before its step.

    rate: length of the move as part of a tensor's, 0 or more; 0 is sequential fine-tuning.
    noise: of the move, in units of `rate`. damping: weight of F. decay: of older tasks' F, in
    [0, 1]. num_samples: rows of a finished task that F is estimated on.
    """

    rate: float = 1e-5
    noise: float = 1e-3
    damping: float = 1e-3
    decay: float = 1e-5
    num_samples: int = 128

    def __post_init__(self) -> None:
        for name in ("rate", "noise", "damping"):
            require_range(name, getattr(self, name), 0)
        require_range("decay", self.decay, 0, 1)
        require_range("num_samples", self.num_samples, 1)
        self.saved: SavedState | None = None
        self.fisher: Sharded | None = None

    @property
    def _weighs(self) -> bool:
        return self.rate > 0 and self.damping > 0

    def needs(self) -> Needs:
        active = self.rate > 0
        # The gradient that it finds, the one in its place, and F.
        copies = (3 if self._weighs else 2) if active else 0
        return Needs(carries_weights=self._weighs, replaces_gradient=active, copies=copies)

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def start(self, stage: Stage) -> None:
        if self.saved is not None and self._weighs:
            self.fisher = self.saved.sharded("fisher", stage.view)

    def gradients(self, stage: Stage) -> None:
        if self.rate == 0:
            return
        view = stage.view
        scales = self._scales(stage)
        view.update_weights(lambda s: self._unlearned(stage, s, scales[s.name]))
        again = view.gradient_of(stage.examples)
        view.update_gradients(lambda s: again.pop(s.name))

    def _scales(self, stage: Stage) -> dict[str, float]:
        """|theta| / |g| of every trained tensor; 0 where it has no gradient."""
        import torch

        place = {name: index for index, name in enumerate(stage.view.shapes)}
        squares = torch.zeros(len(place), 2, dtype=torch.float64, device=stage.view.device)
        for shard in stage.view.shards():
            for column, values in enumerate((shard.weight, shard.grad)):
                squares[place[shard.name], column] = values.double().square_().sum()
        lengths = stage.view.sum_over_shards(squares).sqrt().tolist()
        pairs = zip(place, lengths, strict=True)
        return {name: weight / grad if grad > 0 else 0.0 for name, (weight, grad) in pairs}

    def _unlearned(self, stage: Stage, shard: Shard, scale: float) -> "Tensor":
        move = shard.grad.mul_(scale)
        if self.noise > 0:
            for first, last, drawn_there in _noise(stage, shard):
                move[first:last].add_(drawn_there, alpha=self.noise)
        if self.fisher is not None:
            move.div_(1 + self.damping * self.fisher[shard.name])
        return shard.weight.add_(move, alpha=self.rate)

    def measure(self, stage: Stage) -> None:
        if not self._weighs:
            return
        groups = drawn(stage, "refresh", self.num_samples, 1)
        new = mean_square(stage, groups, lambda first: _weighed_by_probability)
        if self.fisher is not None:
            for name, values in new.items():
                values.add_(self.fisher[name], alpha=self.decay)
        self.fisher = new

    def state(self) -> State:
        return State(sharded={} if self.fisher is None else {"fisher": self.fisher})

    def running(self) -> State:
        return State()  # F is that of the stage before, which `start` reads


def _noise(stage: Stage, shard: Shard) -> "Iterator[tuple[int, int, Tensor]]":
    """Standard normal numbers for the shard's elements, in pieces [first, last) of it. They hang on
    an element's place in the tensor, not on how ranks share it."""
    import torch

    device = stage.view.device
    for begin in range(shard.start // CHUNK * CHUNK, shard.stop, CHUNK):
        seed = stage.random("refresh-noise", shard.name, begin).getrandbits(62)
        source = torch.Generator(device).manual_seed(seed)
        count = min(CHUNK, shard.shape.numel() - begin)
        piece = torch.randn(count, generator=source, device=device)
        first, last = max(begin, shard.start), min(begin + count, shard.stop)
        yield first - shard.start, last - shard.start, piece[first - begin : last - begin]


def _weighed_by_probability(made: "Pass") -> "Tensor":
    """-log p of each answer token of one row, [n], times the root of the answer's probability a
    token: squared gradients are weighed by that probability."""
    import torch

    each = torch.nn.functional.cross_entropy(
        made.logits.float(), made.batch.targets, reduction="none"
    )
    return each * (-each.detach().mean() / 2).exp()
