"""Selective attention-guided knowledge retention (SEEKR): replay with the logits and with the
attention maps of the heads that matter.

"SEEKR: Selective Attention-Guided Knowledge Retention for Continual Learning of Large Language
Models" (arXiv 2411.06171) and its code. A small part of every earlier task's rows is mixed in, and
at their answer tokens the loss is

    (1 - logits_weight) CE + logits_weight KL(p_old || p) + attention_weight A,

p_old of the model that the row's task left (the code's cross entropy with p_old differs by a
constant). A of a row is the mean over its layers of the mean over the layer's chosen heads, and
over queries, of KL(a_old || a + 1e-8), a being the attention of one query over the row.

Which heads: after task t the importance of head h in layer l grows by G D, measured on the task's
own remembered rows. D is the mean square of how its map has changed over the task. G is the mean
square of the gradient of a row's mean loss by the map, divided by its sum over the layer's heads.
The layers with the largest sums, and of their heads the largest, are those whose maps are kept of
task t's rows. In the code a replayed micro-batch is one of the accumulated; here replayed rows are
mixed with the task's own and count by their tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.memory import Memory
from harness.methods.needs import Needs, Outputs
from harness.methods.shared.attention_maps import (
    Heads,
    changes,
    chosen_heads,
    kept_maps,
    map_divergence,
    sensitivity,
)
from harness.methods.shared.distilling import Distilling
from harness.methods.shared.teacher import Teacher, divergence, predictions
from harness.methods.stage import Phase, Stage
from harness.methods.view import SavedState, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.encoding import Example
    from harness.methods.forward import Pass


@dataclass
class SEEKR(Distilling):
    """Replay that holds predictions and attention of earlier models.

    ratio: share of each earlier task's training rows, in [0, 1]; 0 is sequential fine-tuning.
        first: the first rows of its file instead of a draw, as the code has it.
    logits_weight: in [0, 1]. attention_weight: 0 or more.
    layers, heads: at most so many layers, and of all their heads at most so many.
    queries: places of a row whose attention counts, drawn once; 0: all.
    top_k: probabilities stored for each answer token (8 bytes each).
    """

    ratio: float = 0.01
    first: bool = False
    logits_weight: float = 0.5
    attention_weight: float = 1000.0
    layers: int = 24
    heads: int = 128
    queries: int = 100
    top_k: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("logits_weight", self.logits_weight, 0, 1)
        require_range("attention_weight", self.attention_weight, 0)
        require_range("queries", self.queries, 0)
        for name in ("layers", "heads", "top_k"):
            require_range(name, getattr(self, name), 1)
        self.memory = Memory("seekr", self.ratio, head=self.first)
        self.before = Teacher()  # the maps of all heads at the start of the task
        self.importance: Tensor | None = None  # [layers, heads]
        self.chosen: dict[str, Heads] = {}  # of each task's rows

    def needs(self) -> Needs:
        active = self.memory.active
        outputs = Outputs(every_attention=active)
        copies = 1 if active else 0
        return Needs(history=active, rows=active, sharp=active, outputs=outputs, copies=copies)

    def load(self, saved: SavedState) -> None:
        self.teacher = Teacher.read(saved)
        if "heads" in saved.values:
            self.importance = saved.tensor("importance")
            heads = saved.values["heads"].items()
            self.chosen = {task: [(layer, head) for layer, head in own] for task, own in heads}

    def data(self, stage: Stage, phases: list[Phase]) -> list[Phase]:
        self.memory.collect(stage)
        return [phases[0].plus(self.memory.in_file_order()), *phases[1:]]

    def start(self, stage: Stage) -> None:
        if self.memory.active:
            self.before.ask_rows(
                stage, self._own(stage), lambda made: kept_maps(stage, made, self.queries)
            )

    def _own(self, stage: Stage) -> "Sequence[Example]":
        """The task's rows that later ones will remember."""
        return self.memory.choose(stage, stage.own)

    def loss(self, stage: Stage, made: "Pass") -> "Tensor | None":
        from torch.nn.functional import cross_entropy

        extra = self._penalty(stage, made, self.logits_weight, divergence)
        if extra is None:
            return None
        for i, (row, part) in enumerate(zip(made.batch.members, made.parts, strict=True)):
            if row.id in self.teacher:
                logits, targets = made.logits[part].float(), made.batch.targets[part]
                entropy = cross_entropy(logits, targets, reduction="none")
                old, heads = self.teacher.rows[row.id]["maps"], self.chosen[row.id.task]
                away = map_divergence(stage, made, i, heads, self.queries, old)
                extra[part] += self.attention_weight * away - self.logits_weight * entropy
        return extra

    def measure(self, stage: Stage) -> None:
        own = self._own(stage) if self.memory.active else []
        if not own:
            return
        moved = changes(stage, own, self.before, self.queries)
        felt = sensitivity(stage, own)
        grown = (felt / felt.sum(1, keepdim=True).clamp_min(1e-30) * moved).float()
        self.importance = grown if self.importance is None else self.importance + grown
        heads = chosen_heads(self.importance, self.layers, self.heads)
        self.chosen[stage.task] = heads
        self.teacher.ask(stage, own, lambda made: predictions(made.logits, self.top_k))
        self.teacher.ask_rows(stage, own, lambda made: kept_maps(stage, made, self.queries, heads))

    def state(self) -> State:
        kept = self.teacher.state()
        if self.importance is None:
            return kept
        tensors = {**kept.tensors, "importance": self.importance}
        return replace(kept, tensors=tensors, values={**kept.values, "heads": self.chosen})

    def running(self) -> State:
        return self.before.state()  # `load` has the rest

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self.before = Teacher.read(saved)
