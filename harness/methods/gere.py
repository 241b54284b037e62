"""General sample replay (GeRe): a fixed set of general texts is replayed in every task, and the
initial model's activations or predictions on them are held.

"GeRe: Towards Efficient Anti-Forgetting in Continual Learning of LLM via General Samples Replay"
(arXiv 2508.04676) and its code. At every optimizer step `batch_size` texts are drawn, and

    loss = (CE_task + CE_texts) / 2 + w D      (labels: false: loss = CE_task + w D).

D, over the answer tokens of the draw, of the model before the first task (index 0):

- margin: of the last hidden state h, behind the final norm, each dimension has two thresholds, the
  mean minus and plus one standard deviation of h_0 over all tokens of all texts. A unit that was
  below, between or above them shall stay there: relu(h - low), relu(h - high) + relu(low - h), or
  relu(high - h). The sum of all terms is divided by the number of those that are not 0, so that it
  does not shrink as fewer are violated.
- l1, l2: mean over dimensions and tokens of |h - h_0|, of (h - h_0)^2.
- kl: KL(p_0 || p) at temperature T, without T^2; k largest probabilities as in LwF.
- none: the texts' labels alone.

w is `weight`, or with `dynamic` the ratio CE / D of the step's values, which makes both terms
alike; as D goes to 0, where training starts, it has no bound, so it is at most `largest`.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.needs import Needs, Outputs
from harness.methods.shared.adding import COPIES, add_gradient
from harness.methods.shared.on_texts import OnTexts
from harness.methods.shared.teacher import Told, divergence, predictions
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.encoding import Example
    from harness.methods.forward import Pass

LAST = -1  # layer


class Distil(Enum):
    margin = "margin"
    l1 = "l1"
    l2 = "l2"
    kl = "kl"
    none = "none"


@dataclass
class GeRe(OnTexts):
    """Replay general texts and hold what the initial model made of them.

    distil: margin | l1 | l2 | kl | none. labels: train on the texts as well. Without labels and
        with weight 0 it is sequential fine-tuning.
    weight: w, 0 or more. dynamic: w = CE / D of the step in its place, at most `largest`.
    temperature, top_k: of distil=kl. A token of a text takes, in bytes, 8 top_k with kl, 4 times
        the width of the hidden states with l1 and l2, once the width with margin.
    """

    texts_name: ClassVar[str] = "gere"

    distil: Distil = Distil.margin
    labels: bool = True
    weight: float = 100.0
    dynamic: bool = False
    largest: float = 1000.0
    temperature: float = 2.0
    top_k: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("weight", self.weight, 0)
        require_range("largest", self.largest, 0, open_low=True)
        require_range("temperature", self.temperature, 1e-3)
        require_range("top_k", self.top_k, 1)
        if self.distil is Distil.none and self.dynamic:
            raise ConfigError("dynamic=true: distil=none has nothing to weigh; drop one")
        # Of all tokens of the texts, [2, width]: mean - and + a standard deviation.
        self.thresholds: Tensor | None = None
        self.task_loss: tuple[int, Tensor | float, int] = (-1, 0.0, 0)

    @property
    def _distils(self) -> bool:
        return self.distil is not Distil.none and (self.weight > 0 or self.dynamic)

    @property
    def _active(self) -> bool:
        return self.labels or self._distils

    @property
    def _reads_states(self) -> bool:
        return self._distils and self.distil is not Distil.kl

    def needs(self) -> Needs:
        outputs = Outputs(hidden_states=(LAST,)) if self._reads_states else Outputs()
        copies, active = COPIES if self._active else 0, self._active
        return replace(super().needs(), adds_gradient=active, outputs=outputs, host_copies=copies)

    # What the initial model says

    def _tell(self, made: "Pass") -> Told:
        if self.distil is Distil.kl:
            return predictions(made.logits, self.top_k, self.temperature)
        return {"hidden": made.hidden(LAST).float()}

    def start(self, stage: Stage) -> None:
        if not self._distils:
            self._keep_texts(stage)
            return
        super().start(stage)
        if self.distil is Distil.margin and self.thresholds is None:
            self._classify()

    def _classify(self) -> None:
        """Thresholds of each dimension; of each token on which side of them it is."""
        import torch

        hidden = torch.cat([told["hidden"] for told in self.teacher.rows.values()]).double()
        mean, deviation = hidden.mean(0), hidden.std(0, correction=0)
        self.thresholds = torch.stack([mean - deviation, mean + deviation]).float()
        for told in self.teacher.rows.values():
            told["side"] = sides(told.pop("hidden"), self.thresholds)

    def state(self) -> State:
        kept = super().state()
        if self.thresholds is None:
            return kept
        return replace(kept, tensors={**kept.tensors, "thresholds": self.thresholds})

    def load(self, saved: SavedState) -> None:
        super().load(saved)
        if "side" in saved.values.get("sizes", {}):
            self.thresholds = saved.tensor("thresholds")

    def running(self) -> State:
        return super().running()

    # At every step

    def loss(self, stage: Stage, made: "Pass") -> None:
        """Notes the task's own loss, which `dynamic` compares with."""
        if self._distils and self.dynamic and not made.batch.idle:
            step, total, count = self.task_loss
            before = (total, count) if step == stage.step else (0.0, 0)
            entropy = cross_entropies(made).detach().double().sum()
            self.task_loss = (stage.step, before[0] + entropy, before[1] + len(made.logits))

    def gradients(self, stage: Stage) -> None:
        if not self._active:
            return
        texts = self.memory.draw(stage, self.batch_size)
        factor = self._factor(stage, texts) if self._distils else 0.0

        def loss(made: "Pass") -> "Tensor":
            found = cross_entropies(made) * (0.5 if self.labels else 0.0)
            if factor > 0:
                found = found + self._penalty(stage, made, factor, self._away, self._now(made))
            return found

        add_gradient(stage, texts, loss, own=0.5 if self.labels else 1.0)

    def _now(self, made: "Pass") -> "Tensor":
        return made.hidden(LAST).float() if self._reads_states else made.logits

    def _terms(self, told: Told, now: "Tensor") -> "Tensor":
        """The terms whose sum over dimensions is a token's part of D, [n, dimensions]."""
        if self.distil is Distil.kl:
            return divergence(told, now, self.temperature)[:, None]
        if self.distil is Distil.margin:
            return margins(told["side"], now, self.thresholds)
        away = now - told["hidden"]
        return (away.abs() if self.distil is Distil.l1 else away.pow(2)) / now.shape[-1]

    def _away(self, told: Told, now: "Tensor") -> "Tensor":
        return self._terms(told, now).sum(-1)

    def _factor(self, stage: Stage, texts: "list[Example]") -> float:
        """Collective. w, and of distil=margin what makes a mean over tokens one over terms."""
        if not self.dynamic and self.distil is not Distil.margin:
            return self.weight
        seen = dict.fromkeys(("distance", "entropy", "terms", "tokens"), 0.0)

        def visit(made: "Pass") -> None:
            now = self._now(made)
            for part, told in self.teacher.parts(made):
                terms = self._terms(told, now[part])
                seen["distance"] += float(terms.double().sum())
                seen["terms"] += float((terms != 0).sum())
            seen["entropy"] += float(cross_entropies(made).double().sum())
            seen["tokens"] += len(now)

        stage.view.observe(texts, visit)
        sums = {name: stage.view.sum_over_ranks(value) for name, value in seen.items()}
        tokens = sums["tokens"]
        scale = tokens / max(sums["terms"], 1.0) if self.distil is Distil.margin else 1.0
        if not self.dynamic:
            return self.weight * scale
        distance, entropy = scale * sums["distance"] / tokens, self._task_entropy(stage)
        if self.labels:
            entropy = (entropy + sums["entropy"] / tokens) / 2
        return scale * (min(self.largest, entropy / distance) if distance > 0 else self.largest)

    def _task_entropy(self, stage: Stage) -> float:
        """Collective. The step's mean cross entropy over the answer tokens of its own rows."""
        step, total, count = self.task_loss
        mine = (float(total), count) if step == stage.step else (0.0, 0)
        entropy, tokens = map(stage.view.sum_over_ranks, mine)
        return entropy / max(tokens, 1)


def cross_entropies(made: "Pass") -> "Tensor":
    """-log p of each answer token, [n]."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(made.logits.float(), made.batch.targets, reduction="none")


def sides(hidden: "Tensor", thresholds: "Tensor") -> "Tensor":
    """-1, 0 or 1 where a unit of `hidden` [n, width] is at or below the lower threshold, between
    them, at or above the higher one; thresholds: [2, width]."""
    low, high = thresholds
    return (hidden >= high).char() - (hidden <= low).char()


def margins(side: "Tensor", hidden: "Tensor", thresholds: "Tensor") -> "Tensor":
    """How far each unit of `hidden` [n, width] is on another side than `side`, [n, width]."""
    low, high = thresholds.to(hidden.device)
    above_low, above_high = (hidden - low).relu(), (hidden - high).relu()
    below_low, below_high = (low - hidden).relu(), (high - hidden).relu()
    between = above_high + below_low
    return above_low * (side < 0) + between * (side == 0) + below_high * (side > 0)
