"""I-LoRA: an adapter that learns fast, beside a slow average of it that is the model.

"Analyzing and Reducing Catastrophic Forgetting in Parameter Efficient Tuning" (arXiv 2402.18865,
section 4), after complementary learning systems. The fast factors are trained on the task and on
a memory of earlier ones; on the memory's rows their hidden states h are kept near those of the slow
factors. After every optimizer step s (from 1) of a task

    slow <- d slow + (1 - d) fast,    d = min(decay, 1 - 1 / (s + 1)).

The step's gradient is that of (CE(task) + CE(memory)) / 2 + weight consistency(memory), where

    both sides:  consistency = mean over layers and width of (h_fast - h_slow)^2   (the paper's)
    one side:    the same, where h_fast < h_slow alone                    (what the code computes).

The slow adapter is what each stage leaves; the fast one goes on from task to task beside it. Where
paper and code are silent or apart: both begin equal (the code draws another slow one), consistency
is taken at the answer's places (the code: everywhere, padding too), rows come from earlier tasks
alone, and passes over the memory have no dropout. The paper's code has decay 0.25 and all layers,
EasyCL's implementation 0.999 and the last layer: results under one name are not comparable.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.memory import Fill, Memory
from harness.methods.needs import Adapter, Needs, Outputs
from harness.methods.stage import Stage
from harness.methods.view import SavedState, Sharded, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.encoding import RowId
    from harness.methods.forward import Pass


class Layers(Enum):
    all = "all"
    last = "last"


class Sides(Enum):
    both = "both"
    one = "one"


@dataclass
class ILoRA(Strategy):
    """Train a fast adapter, keep and hand on a slow one.

    decay: of the slow adapter, in [0, 1]; 0 makes it the fast one.
    weight: of the consistency, 0 or more.
    buffer: rows of earlier tasks in the memory, every row seen with equal chance; 0 = no memory.
    batch_size: of them at each step (a forward pass, and one forward and backward pass more).
    layers: all | last: whose hidden states are compared. sides: both | one.
    """

    decay: float = 0.25
    weight: float = 1.0
    buffer: int = 500
    batch_size: int = 32
    layers: Layers = Layers.all
    sides: Sides = Sides.one

    def __post_init__(self) -> None:
        require_range("decay", self.decay, 0, 1)
        require_range("weight", self.weight, 0)
        require_range("buffer", self.buffer, 0)
        require_range("batch_size", self.batch_size, 1)
        self.memory = Memory("i_lora", rows=self.buffer, fill=Fill.reservoir)
        self.saved: SavedState | None = None
        self.slow: Sharded = {}
        self.fast: Sharded = {}  # as the task left it

    def needs(self) -> Needs:
        active, every = self.memory.active, self.layers is Layers.all
        compared = active and self.weight > 0
        return Needs(
            rows=active,
            adapter=Adapter.required,
            carries_weights=True,
            adds_gradient=active,
            outputs=Outputs(
                hidden_states=(-1,) if compared and not every else (),
                every_hidden_state=compared and every,
            ),
            copies=3,  # the slow one, and two gradients or two sets of weights
        )

    def memory_rows(self) -> int:
        return len(self.memory)

    def load(self, saved: SavedState) -> None:
        self.saved = saved

    def start(self, stage: Stage) -> None:
        self.memory.collect(stage)
        self.slow = stage.view.weights()
        fast = self.saved.sharded("fast", stage.view) if self.saved is not None else None
        if fast is not None:
            stage.view.update_weights(lambda s: fast[s.name])

    def gradients(self, stage: Stage) -> None:
        rows, view = self.memory.draw(stage, self.batch_size), stage.view
        if not rows:
            return
        kept = self._slow_states(stage, rows) if self.weight > 0 else {}
        extra = view.gradient_of(rows, lambda made: self._loss(made, kept))
        view.update_gradients(lambda s: s.grad.add_(extra[s.name]).div_(2))

    def _slow_states(self, stage: Stage, rows: list) -> "dict[RowId, list[Tensor]]":
        """Hidden states of the slow adapter: of each row and layer [answer tokens, width]."""
        view, mine, fast = stage.view, {}, stage.view.weights()
        view.update_weights(lambda s: self.slow[s.name])

        def visit(made: "Pass") -> None:
            states = [made.hidden(layer).float().cpu() for layer in self._compared(made)]
            for row, part in zip(made.batch.members, made.parts, strict=True):
                mine[row.id] = [state[part].clone() for state in states]

        view.observe(rows, visit)
        view.update_weights(lambda s: fast[s.name])
        return view.union(mine)

    def _compared(self, made: "Pass") -> list[int]:
        every = sorted(layer for layer in made.hidden_states if layer >= 0)
        return every if self.layers is Layers.all else [-1]

    def _loss(self, made: "Pass", kept: "dict[RowId, list[Tensor]]") -> "Tensor":
        import torch

        loss = torch.nn.functional.cross_entropy(
            made.logits.float(), made.batch.targets, reduction="none"
        )
        if not kept:
            return loss
        layers = self._compared(made)
        for place, layer in enumerate(layers):
            slow = torch.cat([kept[row.id][place] for row in made.batch.members])
            away = made.hidden(layer).float() - slow.to(loss.device)
            away = away.clamp_max(0) if self.sides is Sides.one else away
            # Twice: the sum with the task's gradient is halved.
            loss = loss + 2 * self.weight / len(layers) * away.square().mean(-1)
        return loss

    def weights(self, stage: Stage) -> None:
        decay = min(self.decay, 1 - 1 / (stage.step + 2))
        for shard in stage.view.shards():
            self.slow[shard.name].lerp_(shard.weight, 1 - decay)

    def finish(self, stage: Stage) -> None:
        self.fast = stage.view.weights()
        stage.view.update_weights(lambda s: self.slow[s.name])

    def state(self) -> State:
        return State(sharded={"fast": self.fast})

    def running(self) -> State:
        return State(sharded={"slow": self.slow})

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self.memory.collect(stage)
        self.slow = saved.sharded("slow", stage.view) or {}
