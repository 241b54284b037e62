"""LiNeS: scale what was learned by depth, little in the first blocks and most in the last.

"LiNeS: Post-training Layer Scaling Prevents Forgetting and Enhances Model Merging" (arXiv
2410.17146), eq. 1 and section 5. The layer is read from a weight's path (models/weights/blocks.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.ranges import require_choice, require_finite, require_range
from harness.errors import ConfigError, DataError
from harness.methods.edits.base import Edit, Models, Parts, TaskVectorEdit, Trial
from harness.methods.edits.loading import load_merge
from harness.models.weights.blocks import find_blocks, is_embedding

if TYPE_CHECKING:
    from torch import Tensor


SCHEDULES = ("linear", "power", "step", "reversed")


@dataclass
class LiNeS(Edit):
    """theta_l = theta_0,l + lambda_l tau_l, lambda_l = alpha + beta f((l - 1) / (L - 1)), l = 1..L.

    One tuned model: tau = theta_1 - theta_0. Several: tau is the vector that `merge_with` makes.
    The blocks of an encoder-decoder are its encoder's and then its decoder's, as a text goes
    through them, in one line of depth; the paper's code has no example of it.

    alpha: lambda of the first block, in [0, 1]. One model: required, or `alphas`. Several: by
        default the paper's (1/T) |sum_t tau_t|_1 / |tau|_1.
    alphas: of one model in a run, values of alpha of which the best is taken: at which
        target_weight * target + control is largest, the greatest of equals. target is the score on
        the eval split of the task trained last, control the mean over the tasks before it (without
        any, 0). The paper's rule, but that it divides target by the tuned model's and control by
        the initial model's, which of a task that has to be learned may be 0.
    target_weight: the paper's is 2.
    beta: what the last block gets more, 0 or more. One model: 1 - alpha by default. Several:
        required; the paper tunes it from 0.1 to 1.0, to 1.5 for TIES.
    schedule: f(x) = x (linear, the paper's), x^exponent (power), 0 in the first half of the blocks
        and 1 in the second (step), 1 - x (reversed).
    exponent: of the power schedule, above 0.
    head: coefficient after the blocks (final norm, output head): alpha (the paper's) or
        alpha+beta. Before them (embeddings, also where the head is tied to them) it is alpha.
    merge_with: the edit that merges several models: TaskArithmetic, TIES or Consensus, without its
        scale, whose place lambda takes.
    """

    alpha: float | None = None
    beta: float | None = None
    schedule: str = "linear"
    exponent: float = 2.0
    head: str = "alpha"
    merge_with: dict[str, Any] | None = None
    alphas: list[float] | None = None
    target_weight: float = 2.0

    def __post_init__(self) -> None:
        self.given: Callable[[Path], list[float]] | None = None
        self.coefficients: dict[str, float] = {}
        self.inner: TaskVectorEdit | None = None
        if self.merge_with is not None:
            self.inner = load_merge(self.merge_with)
        if self.alphas is not None:
            self._check_alphas(self.alphas)
        elif self.alpha is None and self.inner is None:
            raise ConfigError("alpha: missing; without merge_with it has no default (0 to 1)")
        if self.beta is None and self.inner is not None:
            raise ConfigError("beta: missing; with merge_with it has no default (0.1 to 1.0)")
        if self.alpha is not None:
            require_range("alpha", self.alpha, 0, 1)
        if self.beta is not None:
            require_finite("beta", self.beta)
            require_range("beta", self.beta, 0)
        require_range("exponent", self.exponent, 0, open_low=True)
        require_choice("schedule", self.schedule, SCHEDULES)
        require_choice("head", self.head, ("alpha", "alpha+beta"))

    def _check_alphas(self, alphas: list[float]) -> None:
        if self.inner is not None or self.alpha is not None or not alphas:
            raise ConfigError(
                f"alphas={alphas}: a list of one or more in the place of alpha, for one tuned model"
            )
        for alpha in alphas:
            require_range("alphas", alpha, 0, 1)
        require_range("target_weight", self.target_weight, 0)

    def chooses(self) -> bool:
        return self.alphas is not None

    def score_by(self, scores: Callable[[Path], list[float]]) -> None:
        self.given = scores

    def check_folders(self) -> None:
        if self.alphas is not None:
            raise ConfigError("alphas: folders have no eval split to choose by; give alpha")

    def select(self, tuned: list[Path], trial: Trial) -> tuple[list[Path], dict[str, Any]]:
        """Every alpha with its place in the plane of target and control."""
        plane = []
        for alpha in sorted(self.alphas or ()):
            self.alpha = alpha
            with trial(tuned) as folder:
                *before, target = self.given(folder)
            control = sum(before) / len(before) if before else 0.0
            score = self.target_weight * target + control
            plane.append({"alpha": alpha, "target": target, "control": control, "score": score})
        if not plane:
            return tuned, {}
        self.alpha = max(plane, key=lambda one: (one["score"], one["alpha"]))["alpha"]
        return tuned, {"plane": plane}

    def by_parts(self) -> bool:
        return self.inner is None or self.inner.by_parts()

    def merges(self) -> bool:
        return self.inner is not None

    def check_count(self, count: int) -> None:
        if self.inner is not None:
            return self.inner.check_count(count)
        if count != 1:
            raise ConfigError(
                f"LiNeS scales one tuned model, got {count}; for several add merge_with "
                "(task_arithmetic, ties or consensus) and beta"
            )

    def passes(self, count: int) -> int:
        if self.inner is None:
            return 0
        return self.inner.passes(count) + (self.alpha is None)

    def prepare(self, models: Models) -> dict[str, Any]:
        told = self.inner.prepare(models) if self.inner is not None else {}
        alpha = self.alpha
        if alpha is None:
            alpha, told["norms"] = self._alpha_from_norms(models)
        beta = 1 - alpha if self.beta is None else self.beta
        blocks = find_blocks(models.sizes)
        by_block = [alpha + beta * self._depth(i, blocks.count) for i in range(blocks.count)]
        after = alpha + beta if self.head == "alpha+beta" else alpha
        outside: dict[str, float] = {}
        for name in models.sizes:
            index = blocks.index(name)
            if index is None:
                outside[name] = alpha if is_embedding(name) else after
            self.coefficients[name] = outside[name] if index is None else by_block[index]
        return told | {
            "alpha": alpha,
            "beta": beta,
            "blocks": {"path": blocks.prefix, "coefficients": by_block},
            "outside blocks": outside,
        }

    def survey(self, name: str, parts: Parts) -> None:
        if self.inner is not None:
            self.inner.survey(name, parts)

    def merge(self, name: str, base: "Tensor", tuned: "list[Tensor]") -> "Tensor":
        if self.inner is None:
            return base.lerp(tuned[0], self.coefficients[name])
        vector = self.inner.vector(name, [model - base for model in tuned])
        return base.add(vector, alpha=self.coefficients[name])

    def _depth(self, index: int, count: int) -> float:
        """f of the block's place; a single block counts as the last."""
        place = index / (count - 1) if count > 1 else 1.0
        if self.schedule == "power":
            return place**self.exponent
        if self.schedule == "step":
            return float(place >= 0.5)
        return 1 - place if self.schedule == "reversed" else place

    def _alpha_from_norms(self, models: Models) -> tuple[float, dict[str, float]]:
        total = merged = 0.0
        for name in models.sizes:
            base, tuned = models.read(name)
            self.inner.survey(name, [(base, tuned)])
            vectors = [model - base for model in tuned]
            merged += float(self.inner.vector(name, vectors).double().abs().sum())
            total += float(sum(vectors[1:], start=vectors[0]).double().abs().sum())
        if merged == 0:
            raise DataError("the merged vector is zero: the tuned models equal the base")
        return total / merged / models.count, {"sum of vectors": total, "merged vector": merged}
