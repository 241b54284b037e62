"""TreeLoRA: each layer's adapter is drawn towards that of the earlier task that is nearest there.

"TreeLoRA: Efficient Continual Learning via Layer-Wise LoRAs Guided by a Hierarchical Gradient-
Similarity Tree" (arXiv 2506.10355). A task is described, layer by layer, by a vector; a tree over
the earlier tasks and lower confidence bounds say at every step which of them each layer is compared
with, so that few distances are measured (lcb_tree.py). With A_l the layer's factor A, m_l its mean
over the task's steps so far, G_i,l the mean of the whole earlier task i, and i(l) the task chosen
by the smallest |m_l - G_i,l|_1, the gradient of A_l gains

    - strength (s / T) loss G_i(l),l / S,    S = sum_l <A_l, G_i(l),l>

at step s of T, which is that of - strength (s / T) loss log |S| with the loss, the cross-entropy of
the step, taken as a number.

The paper describes tasks by gradients; its released code takes the factors A themselves in their
place, and so does this: with them S has a gradient without second derivatives. What is otherwise
than in the released code: a step's A enters its mean once and not once for each layer; the bounds
favour near tasks (there the sign of the distance is turned twice); they are followed all the way
down the tree and without chance (there chance picks a half at the root); means are over the task,
not its last pass. The tree is that of the differences of each G_i to the one before, as there.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.needs import Adapter, Needs
from harness.methods.shared.beside import add_gradients, layers
from harness.methods.shared.lcb_tree import Bandit, Node, build
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass

SMALLEST = 1e-5  # of |S|, as in the released code


@dataclass
class TreeLoRA(Strategy):
    """Draw the adapter towards those of similar earlier tasks.

    strength: 0 or more; 0 is sequential fine-tuning. The released script: 0.5.
    """

    strength: float = 0.5

    def __post_init__(self) -> None:
        require_range("strength", self.strength, 0)
        self.saved: SavedState | None = None
        self.tasks: dict[str, Tensor] = {}  # by factor A's name: G of each task, [tasks, numbers]
        self.mean: dict[str, Tensor] = {}
        self.steps = 0  # that are in the mean
        self.root = Node(())
        self.bandit = Bandit([], [])
        self.losses: list[tuple[Tensor, int]] = []  # of the step's passes: sum, tokens

    def needs(self) -> Needs:
        active = self.strength > 0
        return Needs(
            history=active, adapter=Adapter.required, carries_weights=True, adds_gradient=active
        )

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def start(self, stage: Stage) -> None:
        if self.strength == 0:
            return
        names = layers(stage.view)
        if self.saved is None:
            return
        self.tasks = {name: self.saved.tensor(name).to(stage.view.device) for name in names}
        count = len(self.tasks[names[0]])
        changes = [_changes(self.tasks[name]) for name in names]
        self.root = build(range(count), changes)
        self.bandit = Bandit.new(len(names), count)

    def loss(self, stage: Stage, made: "Pass") -> None:
        if self.tasks and not made.batch.idle:
            from torch.nn.functional import cross_entropy

            logits = made.logits.detach().float()
            summed = cross_entropy(logits, made.batch.targets, reduction="sum")
            self.losses.append((summed, len(made.batch.targets)))

    def gradients(self, stage: Stage) -> None:
        if self.strength == 0:
            return
        view, names = stage.view, layers(stage.view)
        factors = [view.gather(name).reshape(-1) for name in names]
        self.steps += 1
        for name, factor in zip(names, factors, strict=True):
            mean = self.mean.setdefault(name, factor * 0.0)
            mean.lerp_(factor, 1 / self.steps)
        if not self.tasks:
            return

        def distance(layer: int, task: int) -> float:
            name = names[layer]
            return float((self.mean[name] - self.tasks[name][task]).abs().sum())

        chosen = self.bandit.search(self.root, stage.step, stage.total, distance)
        wanted = [self.tasks[name][task] for name, task in zip(names, chosen, strict=True)]
        pairs = zip(factors, wanted, strict=True)
        overlap = sum(float(a.double() @ g.double()) for a, g in pairs)
        overlap = overlap if abs(overlap) > SMALLEST else SMALLEST
        weight = self.strength * stage.step / stage.total * self._loss(stage) / overlap
        shapes = view.shapes
        add_gradients(
            view,
            {n: (-weight * g).view(shapes[n]) for n, g in zip(names, wanted, strict=True)},
        )

    def _loss(self, stage: Stage) -> float:
        """Collective. The mean cross-entropy of the step's answer tokens."""
        mine = [sum(float(one[part]) for one in self.losses) for part in (0, 1)]
        self.losses = []
        total, tokens = (stage.view.sum_over_ranks(one) for one in mine)
        return total / tokens

    def state(self) -> State:
        if self.strength == 0:
            return State()
        grown = {name: [*self.tasks.get(name, []), mean] for name, mean in self.mean.items()}
        return State({name: _stack(rows) for name, rows in grown.items()})

    def running(self) -> State:
        known = {"steps": self.steps, "counts": self.bandit.counts, "sums": self.bandit.sums}
        return State(dict(self.mean), values=known)

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self.start(stage)
        self.steps = saved.values["steps"]
        self.bandit = Bandit(saved.values["counts"], saved.values["sums"])
        if self.steps:
            device = stage.view.device
            self.mean = {name: saved.tensor(name).to(device) for name in layers(stage.view)}


def _changes(means: "Tensor") -> "Tensor":
    """Of each task what it has changed, [tasks, numbers]."""
    import torch

    return torch.cat([means[:1], means[1:] - means[:-1]])


def _stack(rows: "list[Tensor]") -> "Tensor":
    import torch

    return torch.stack(rows)
