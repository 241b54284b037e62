"""What is minimised at every answer token; imports torch only when called."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.config import TrainConfig
from harness.config.objects import load_typed
from harness.config.parts import Kind, Part

if TYPE_CHECKING:
    from torch import Tensor


class Objective(Part):
    """Base of all objectives, which are dataclasses; a call gives the loss per answer token."""

    part_kind: ClassVar[Kind] = Kind.objective
    abstract: ClassVar[bool] = True

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """logits [n, vocabulary], targets [n] -> [n]."""
        raise NotImplementedError


def load_objective(train: TrainConfig) -> Objective:
    """What training minimises. Raises ConfigError for a wrong class or parameter."""
    return load_typed(train.objective, Objective, "train.objective")


@dataclass
class CrossEntropy(Objective):
    """Negative log-likelihood of the next token, computed in fp32."""

    label_smoothing: float = 0.0

    def __call__(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """In nats."""
        from torch.nn.functional import cross_entropy

        smoothing = self.label_smoothing
        return cross_entropy(logits.float(), targets, reduction="none", label_smoothing=smoothing)
