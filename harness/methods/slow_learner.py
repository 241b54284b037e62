"""SLCA's slow learner: the output layer learns at the whole rate, everything below it slowly.

"SLCA: Slow Learner with Classifier Alignment for Continual Learning on a Pre-trained Model" (arXiv
2303.05118, section 3.2): the representation, which pre-training has made, learns at a hundredth of
the classifier's rate. A language model's classifier is its output head; where that is tied to the
input embeddings they are one weight, which learns fast. The paper's second half, alignment of the
classifier with Gaussian features of every class, has no counterpart: a vocabulary has no classes
of a task, and is left out.
"""

from dataclasses import dataclass
from typing import Any

from harness.config.ranges import require_range
from harness.errors import StageFailed
from harness.methods.base import Strategy
from harness.methods.needs import Adapter, Needs
from harness.methods.stage import Stage


@dataclass
class SlowLearner(Strategy):
    """Slow down everything but the output head.

    factor: of the learning rate of all other weights, in [0, 1]; 1 is sequential fine-tuning. The
        paper: 0.01, with a head that is new at every task.
    """

    factor: float = 0.01

    def __post_init__(self) -> None:
        require_range("factor", self.factor, 0, 1)

    def needs(self) -> Needs:
        return Needs(adapter=Adapter.refused)  # which has no output head

    def rates(self, stage: Stage, model: Any) -> dict[str, float]:
        head = model.get_output_embeddings()
        if head is None or not any(p.requires_grad for p in head.parameters()):
            raise StageFailed("SlowLearner: the model has no output head that is trained")
        fast = {id(p) for p in head.parameters()}
        named = model.named_parameters()
        return {n: self.factor for n, p in named if p.requires_grad and id(p) not in fast}
