"""AdaMerging: the coefficients at which the merged model is surest of itself, without any label.

"AdaMerging: Adaptive Model Merging for Multi-Task Learning" (arXiv 2310.02575), section 3. There
the entropy is that of a classifier's output on test inputs. Here it is that of the next token
behind the prompt, the first of the answer, on prompts of the eval splits: what is learned on test
would be reported on test.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.methods.edits.coefficients import LearnedCoefficients

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.encoding import Example


@dataclass
class AdaMerging(LearnedCoefficients):
    """theta = theta_0 + sum_t c_t tau_t, c in [0, 1] and where the entropy of what follows a
    prompt, a mean over prompts and a sum over tasks, is small.

    per: tensor is the paper's layer-wise form, model its task-wise one.
    Defaults are those of the authors' code: 500 steps of Adam at 0.001 from 0.3, 16 rows of each
    task. There a coefficient that leaves [0, 1] is cut where it is used, has no gradient any more
    and may stay there; here it is put back, and may return.
    """

    steps: int = 500

    def loss(self, model: Any, examples: "list[Example]") -> "Tensor":
        prompts = [replace(example, answer_ids=[]) for example in examples]
        logits = model(**self.lessons.batch(prompts).inputs).logits[:, -1]
        surprise = logits.float().log_softmax(-1)
        return -(surprise.exp() * surprise).sum(-1).mean()

    def bounded(self, coefficients: "Tensor") -> "Tensor":
        return coefficients.clamp(0, 1)
