"""Edits that ask every model about rows of its own task before they merge weights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.config.ranges import require_range
from harness.methods.edits.base import Edit, Models
from harness.methods.edits.lessons import weights_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

    from harness.data.encoding import Example
    from harness.methods.edits.lessons import Lessons


@dataclass
class MeasuredEdit(Edit):
    """Base of edits with a statistic of every tuned model.

    samples: training rows of each task that are asked, fewer where there are fewer.
    seed: which.
    """

    abstract: ClassVar[bool] = True
    split: ClassVar[str] = "train"
    keeps: ClassVar[bool] = True
    fewest: ClassVar[int] = 2

    samples: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        require_range("samples", self.samples, 1)
        self.lessons: Lessons | None = None

    def learn_from(self, lessons: "Lessons") -> None:
        self.lessons = lessons

    def measure(
        self, model: Any, weights: "dict[str, Parameter]", examples: "list[Example]"
    ) -> "dict[str, Tensor]":
        """The statistic of a model's weights, or of some of them, by name, on the CPU."""
        raise NotImplementedError

    def prepare(self, models: Models) -> dict[str, Any]:
        asked: dict[str, int] = {}
        for number, folder in enumerate(self.lessons.tuned):
            examples = self.lessons.some(number, self.samples, self.seed)
            model = self.lessons.load(folder)
            weights = weights_of(model, models, folder)
            self.lessons.keep(number, self.measure(model, weights, examples))
            del model, weights  # before the next one comes
            asked[examples[0].id.task] = len(examples)
        return {"rows": asked}
