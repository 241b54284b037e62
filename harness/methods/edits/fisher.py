"""Fisher-weighted merging: of every weight a mean in which that model counts most to which it
matters most.

"Merging Models with Fisher-Weighted Averaging" (arXiv 2111.09832), section 3, with the diagonal of
the Fisher information and equal weights of the models.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.ranges import require_choice, require_range
from harness.data.randomness import derive_seed
from harness.methods.edits.measured import MeasuredEdit
from harness.methods.ewc import Fisher as Labels
from harness.methods.ewc import of_drawn_labels
from harness.methods.forward import Pass
from harness.store.pulse import beat

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

    from harness.data.encoding import Example

LABELS = (Labels.sampled_labels.value, Labels.empirical.value)


@dataclass
class Fisher(MeasuredEdit):
    """theta = sum_t F_t theta_t / sum_t F_t, weight by weight; the base is not an ingredient.

    F_t = mean over rows of task t of (d log p(answer) / d theta)^2 in model t, one row at a time,
    log p summed over the answer's tokens; no less than `floor`, so that weights that matter to no
    model get the plain mean.

    labels: sampled_labels, each answer token drawn from the model at that place of the true answer
        (the paper's), or empirical, the true answer.
    floor: of F, above 0.
    """

    labels: str = "sampled_labels"
    floor: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("labels", self.labels, LABELS)
        require_range("floor", self.floor, 0, open_low=True)

    def measure(
        self, model: Any, weights: "dict[str, Parameter]", examples: "list[Example]"
    ) -> "dict[str, Tensor]":
        import torch

        total = {name: torch.zeros(weight.shape) for name, weight in weights.items()}
        for example in examples:
            model.zero_grad(set_to_none=True)
            self._loss(model, example).backward()
            beat()
            for name, weight in weights.items():
                if weight.grad is not None:  # of what a text alone does not use
                    gradient = weight.grad.float().cpu()
                    total[name].addcmul_(gradient, gradient, value=1 / len(examples))
        return total

    def _loss(self, model: Any, example: "Example") -> "Tensor":
        """-log p of the answer, or of what is drawn in its place."""
        import torch

        batch = self.lessons.batch([example])
        logits = model(**batch.inputs).logits[batch.answer_rows, batch.answer_columns]
        if self.labels == Labels.empirical.value:
            return torch.nn.functional.cross_entropy(logits, batch.targets, reduction="sum")
        source = torch.Generator().manual_seed(derive_seed("fisher", self.seed, *example.id))
        return of_drawn_labels(Pass(batch, logits), source).sum()

    def merge(self, name: str, base: "Tensor", tuned: "list[Tensor]") -> "Tensor":
        measured = self.lessons.kept(name)
        if measured is None:
            return sum(tuned[1:], start=tuned[0]) / len(tuned)
        shares = [one.clamp_(min=self.floor) for one in measured]
        weighed = sum(share * model for share, model in zip(shares, tuned, strict=True))
        return weighed / sum(shares)
