"""RegMean: linear layers whose outputs come closest to each model's own on that model's inputs.

"Dataless Knowledge Fusion by Merging Weights of Language Models" (arXiv 2212.09849), section
3: the closed form of a least-squares problem, and the scaling off the diagonal.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.ranges import require_range
from harness.methods.edits.measured import MeasuredEdit
from harness.models.weights.blocks import is_embedding
from harness.store.pulse import beat

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

    from harness.data.encoding import Example


@dataclass
class RegMean(MeasuredEdit):
    """W = (sum_t W_t G_t) (sum_t G_t)^-1 for the matrix [out, in] of every linear layer, with
    G_t = X_t^T X_t / tokens over the inputs X_t [tokens, in] that rows of task t, prompts and
    answers, give the layer in model t, entries off the diagonal times `off_diagonal`.

    Other weights, and a head that is tied to the embedding, get the mean; so does what the matrices
    do to inputs that no row gives (the inverse is a pseudo-inverse around the mean). The base is
    not an ingredient. The mean over tokens keeps tasks of long rows from outweighing others. Layers
    are those that are torch's Linear; GPT-2's are not.

    off_diagonal: in [0, 1]; the paper takes 0.9, and 0.1 for T5; 1 is least squares itself.
    """

    off_diagonal: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("off_diagonal", self.off_diagonal, 0, 1)

    def measure(
        self, model: Any, weights: "dict[str, Parameter]", examples: "list[Example]"
    ) -> "dict[str, Tensor]":
        import torch

        names = {id(weight): name for name, weight in weights.items()}
        grams: dict[str, Tensor] = {}
        handles = []
        for layer in model.modules():
            name = names.get(id(getattr(layer, "weight", None)))
            if isinstance(layer, torch.nn.Linear) and name is not None and not is_embedding(name):
                grams[name] = torch.zeros(layer.in_features, layer.in_features)
                handles.append(layer.register_forward_pre_hook(_adding(grams[name])))
        with torch.no_grad():
            for example in examples:
                model(**self.lessons.batch([example]).inputs)
                beat()
        for handle in handles:
            handle.remove()
        tokens = sum(map(len, examples))
        return {name: gram / tokens for name, gram in grams.items()}

    def merge(self, name: str, base: "Tensor", tuned: "list[Tensor]") -> "Tensor":
        import torch

        mean = sum(tuned[1:], start=tuned[0]) / len(tuned)
        measured = self.lessons.kept(name)
        if measured is None:
            return mean
        grams = [self._shrunk(gram.double()) for gram in measured]
        rest = sum((w - mean).double() @ gram for w, gram in zip(tuned, grams, strict=True))
        return mean + (rest @ torch.linalg.pinv(sum(grams), hermitian=True)).to(mean.dtype)

    def _shrunk(self, gram: "Tensor") -> "Tensor":
        """Entries off the diagonal times `off_diagonal`, in place."""
        diagonal = gram.diagonal().clone()
        gram.mul_(self.off_diagonal).diagonal().copy_(diagonal)
        return gram


def _adding(gram: "Tensor") -> Any:
    """A hook that adds the products of a layer's inputs to `gram`."""

    def add(layer: Any, inputs: "tuple[Tensor, ...]") -> None:
        rows = inputs[0].reshape(-1, inputs[0].shape[-1]).float()
        gram.add_((rows.T @ rows).cpu())

    return add
