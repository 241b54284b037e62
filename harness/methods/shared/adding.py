"""Adding to a step's gradient that of a loss on other rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.methods.stage import Stage
from harness.methods.view import Loss, Shard

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.encoding import Example


COPIES = 2  # of the gradient in main memory meanwhile: the step's and the other one


def add_gradient(
    stage: Stage,
    examples: "Sequence[Example]",
    loss: Loss | None = None,
    weight: float = 1.0,
    own: float = 1.0,
) -> None:
    """Collective, in the hook `gradients`: g <- own g + weight d(mean loss of `examples`), the mean
    over their answer tokens. loss: as `View.gradient_of` takes it."""
    other = stage.view.gradient_of(examples, loss, host=True)

    def summed(shard: Shard) -> "Tensor":
        grad = shard.grad.mul_(own)
        return grad.add_(other[shard.name].to(grad.device), alpha=weight)

    stage.view.update_gradients(summed)
