"""Greedy soup: models join the average in the order of their scores, as long as it improves.

"Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
inference time" (arXiv 2203.05482), recipe 1. Scores must come from a validation split: chosen on
the split that is reported, the gain is the choice's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.config.parts import load_object
from harness.errors import ConfigError, kind_and_line
from harness.methods.edits.base import Edit, Trial

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class GreedySoup(Edit):
    """The uniform soup of the models that `score` keeps.

    score: dotted path of a function from a model folder to a number, higher being better; each
        model and each candidate soup is scored once. In a run it may be left out: the mean headline
        score over the eval splits of the tasks so far.
    """

    score: str = ""

    code_parameters: ClassVar[tuple[str, ...]] = ("score",)
    fewest: ClassVar[int] = 2
    in_parts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.given: Callable[[Path], list[float]] | None = None

    def chooses(self) -> bool:
        return not self.score

    def score_by(self, scores: Callable[[Path], list[float]]) -> None:
        self.given = scores

    def check_folders(self) -> None:
        if not self.score:
            raise ConfigError(
                "edit.score: missing; give the dotted path of a function score(folder)"
            )

    def select(self, tuned: list[Path], trial: Trial) -> tuple[list[Path], dict[str, Any]]:
        score = self.given or self._named()

        def measure(models: list[Path]) -> float:
            with trial(models) as folder:
                if self.given is not None:
                    scores = self.given(folder)
                    return sum(scores) / len(scores)
                try:
                    return float(score(folder))
                except (TypeError, ValueError) as error:  # a user's own function
                    told = kind_and_line(error)
                    raise ConfigError(
                        f"score: {self.score} gives no number for a folder ({told})"
                    ) from error

        return choose(tuned, measure)

    def _named(self) -> Callable[[Path], float]:
        score = load_object(self.score, "score")
        if not callable(score):
            raise ConfigError(f"score: {self.score} is not a function")
        return score

    def merge(self, name: str, base: "Tensor", tuned: "list[Tensor]") -> "Tensor":
        return sum(tuned[1:], start=tuned[0]) / len(tuned)


def choose(
    models: list[Path], measure: Callable[[list[Path]], float]
) -> tuple[list[Path], dict[str, Any]]:
    """The ingredients, best first, and every score; a tie lets a model in, as in the paper."""
    single = {model: measure([model]) for model in models}
    ordered = sorted(models, key=lambda model: -single[model])
    chosen, best = ordered[:1], single[ordered[0]]
    steps = [{"added": str(ordered[0]), "score": best, "kept": True}]
    for model in ordered[1:]:
        value = measure([*chosen, model])
        kept = value >= best
        if kept:
            chosen, best = [*chosen, model], value
        steps.append({"added": str(model), "score": value, "kept": kept})
    alone = {str(model): value for model, value in single.items()}
    return chosen, {"scores alone": alone, "steps": steps}
