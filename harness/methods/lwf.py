"""Learning without forgetting (LwF): the previous stage's predictions are kept.

"Learning without Forgetting" (arXiv 1606.09282) with the distillation loss of "Distilling the
Knowledge in a Neural Network" (arXiv 1503.02531): at every answer token of the new task

    loss += weight T^2 KL(p_old || p_new),  p = softmax(logits / T),

where p_old are the predictions of the model that the task starts from, computed once before
training; no second model is held. Of p_old the k largest probabilities are stored, and all other
tokens count as one: their joint probability is compared as well. The first task has no earlier
stage that is worth keeping by this method: it is plain fine-tuning.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.methods.base import History, Phase, Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.batches import MicroBatch
    from harness.data.task_data import TaskData
    from harness.train.engine.view import View


SMALLEST = 1e-12  # of the joint probability of the tokens that are not stored


@dataclass
class LwF(Strategy):
    """Distil the stage before into the next.

    weight: of the distillation loss, 0 or more; 0 is sequential fine-tuning.
    temperature: T, above 0.
    top_k: probabilities stored for each answer token (8 bytes each).
    """

    weight: float = 1.0
    temperature: float = 2.0
    top_k: int = 64

    def __post_init__(self) -> None:
        require_range("weight", self.weight, 0)
        require_range("temperature", self.temperature, 1e-3)
        require_range("top_k", self.top_k, 1)
        # id of an example -> token ids [n, k] and log-probabilities [n, k] of its answer tokens
        self.teacher: dict[int, tuple[Tensor, Tensor]] = {}

    def needs_history(self) -> bool:
        return self.weight > 0

    def before_task(self, view: "View", task: str) -> None:
        self.view = view

    def phases(self, data: "TaskData", history: History) -> list[Phase]:
        """No pass of its own; the data are complete now, and no weight has moved yet."""
        if self.weight > 0 and history.tasks:
            places = {id(example): index for index, example in enumerate(data.examples)}
            mine: dict[int, tuple[Tensor, Tensor]] = {}

            def keep(batch: "MicroBatch", logits: "Tensor") -> None:
                log_p = (logits.float() / self.temperature).log_softmax(-1)
                top = log_p.topk(min(self.top_k, log_p.shape[-1]))
                sizes = [len(example.answer_ids) for example in batch.members]
                found = zip(
                    batch.members,
                    top.indices.int().cpu().split(sizes),
                    top.values.cpu().split(sizes),
                    strict=True,
                )
                # Copies: a piece of a row would keep, and send, the whole row.
                for example, ids, values in found:
                    mine[places[id(example)]] = (ids.clone(), values.clone())

            self.view.observe(data.examples, keep)
            shared = self.view.union(mine)
            self.teacher = {id(e): shared[places[id(e)]] for e in data.examples}
        return []

    def token_loss(self, batch: "MicroBatch", logits: "Tensor") -> "Tensor | None":
        import torch

        if not any(id(example) in self.teacher for example in batch.members):
            return None
        loss = torch.zeros(len(batch.targets), device=logits.device)
        log_q = (logits.float() / self.temperature).log_softmax(-1)
        start = 0
        for example in batch.members:
            stop = start + len(example.answer_ids)
            if id(example) in self.teacher:
                ids, log_p = (part.to(logits.device) for part in self.teacher[id(example)])
                loss[start:stop] = divergence(ids.long(), log_p, log_q[start:stop])
            start = stop
        return self.weight * self.temperature**2 * loss


def divergence(ids: "Tensor", log_p: "Tensor", log_q: "Tensor") -> "Tensor":
    """KL(p || q) for each token, [n], from the largest log-probabilities `log_p` [n, k] of the
    tokens `ids` [n, k] and all of `log_q` [n, vocabulary]; the other tokens are one outcome."""
    known = log_q.gather(-1, ids)
    p = log_p.exp()
    kl = (p * (log_p - known)).sum(-1)
    if ids.shape[-1] == log_q.shape[-1]:
        return kl
    rest_p = (1 - p.sum(-1)).clamp_min(SMALLEST)
    rest_q = (1 - known.exp().sum(-1)).clamp_min(SMALLEST)
    return kl + rest_p * (rest_p.log() - rest_q.log())
