"""L2 towards earlier weights: the penalty lambda / 2 |theta - anchor|^2.

The baseline of "Soup to go" (arXiv 2501.05559) and of EWC (arXiv 1612.00796), which weighs the same
distance by the Fisher information. Three forms, which agree for plain gradient descent and differ
under Adam:

- loss: lambda (theta - anchor) joins the gradient before clipping, and Adam rescales it;
- decoupled_before: theta <- theta - rate lambda (theta - anchor) just before the step, as AdamW
  decays weights ("Decoupled Weight Decay Regularization", arXiv 1711.05101);
- decoupled_after: the same after the step, which is SFA merging at every step with
  beta = rate lambda.

There is no published default for lambda with language models. In the decoupled forms rate lambda is
the part of the distance that each step takes back.
"""

from dataclasses import dataclass, replace
from enum import Enum

from harness.config.ranges import require_range
from harness.methods.needs import Needs
from harness.methods.shared.anchored import Anchored
from harness.methods.stage import Stage
from harness.methods.view import State


class Form(Enum):
    loss = "loss"
    decoupled_before = "decoupled_before"
    decoupled_after = "decoupled_after"


@dataclass
class L2(Anchored):
    """Pull every trained weight towards the anchor.

    strength: lambda, 0 or more; 0 is sequential fine-tuning.
    form: loss | decoupled_before | decoupled_after.
    """

    strength: float = 0.1
    form: Form = Form.loss

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("strength", self.strength, 0)

    def needs(self) -> Needs:
        adds = self.form is Form.loss and self.strength > 0
        return replace(super().needs(), adds_gradient=adds)

    def running(self) -> State:
        return super().running()  # no hook of its own keeps anything

    def gradients(self, stage: Stage) -> None:
        if self.strength == 0:
            return
        if self.form is Form.loss:
            stage.view.update_gradients(
                lambda s: s.grad.add_(s.weight - self.anchors[s.name], alpha=self.strength)
            )
        if self.form is Form.decoupled_before:
            self._pull(stage)

    def weights(self, stage: Stage) -> None:
        if self.form is Form.decoupled_after and self.strength > 0:
            self._pull(stage)

    def figures(self, stage: Stage) -> dict[str, float]:
        """penalty: lambda / 2 |theta - anchor|^2, in every form."""
        distance = super().figures(stage)["distance"]
        return {"penalty": self.strength / 2 * distance**2, "distance": distance}

    def _pull(self, stage: Stage) -> None:
        part = stage.learning_rate * self.strength
        stage.view.update_weights(lambda s: s.weight.lerp_(self.anchors[s.name], part))
