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
from harness.data.encoding import RowId
from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


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
        # Of each row's answer tokens: token ids [n, k] and log-probabilities [n, k].
        self.teacher: dict[RowId, tuple[Tensor, Tensor]] = {}
        # Of the current step, on this rank: the step, its distillation loss, its answer tokens.
        self.distilled: tuple[int, Tensor | float, int] = (-1, 0.0, 0)

    def needs(self) -> Needs:
        return Needs(history=self.weight > 0)

    def start(self, stage: Stage) -> None:
        if self.weight > 0 and stage.history.tasks:
            mine: dict[RowId, tuple[Tensor, Tensor]] = {}
            stage.view.observe(
                stage.phases[0].data.examples, lambda made: mine.update(self._predictions(made))
            )
            self.teacher = stage.view.union(mine)

    def _predictions(self, made: "Pass") -> "dict[RowId, tuple[Tensor, Tensor]]":
        log_p = (made.logits.float() / self.temperature).log_softmax(-1)
        top = log_p.topk(min(self.top_k, log_p.shape[-1]))
        ids, values = top.indices.int().cpu(), top.values.cpu()
        # Copies: a piece of a row would keep, and send, the whole row.
        return {
            row.id: (ids[part].clone(), values[part].clone())
            for row, part in zip(made.batch.members, made.parts, strict=True)
        }

    def loss(self, stage: Stage, made: "Pass") -> "Tensor | None":
        import torch

        logits = made.logits
        if not any(row.id in self.teacher for row in made.batch.members):
            return None
        loss = torch.zeros(len(logits), device=logits.device)
        log_q = (logits.float() / self.temperature).log_softmax(-1)
        for row, part in zip(made.batch.members, made.parts, strict=True):
            if row.id in self.teacher:
                ids, log_p = (kept.to(logits.device) for kept in self.teacher[row.id])
                loss[part] = divergence(ids.long(), log_p, log_q[part])
        loss = self.weight * self.temperature**2 * loss
        self._note(stage, made, loss)
        return loss

    def _note(self, stage: Stage, made: "Pass", loss: "Tensor") -> None:
        """Add a pass to its step; on the device, so that nobody waits for it."""
        if made.batch.idle:
            return
        step, total, count = self.distilled
        if step != stage.step:
            total, count = 0.0, 0
        self.distilled = (stage.step, total + loss.detach().double().sum(), count + len(loss))

    def figures(self, stage: Stage) -> dict[str, float]:
        """penalty: the mean over the step's answer tokens of what distillation adds to the loss."""
        step, total, count = self.distilled
        mine = (float(total), count) if step == stage.step else (0.0, 0)
        penalty, tokens = (stage.view.sum_over_ranks(one) for one in mine)
        return {"penalty": penalty / tokens if tokens else 0.0}

    def running(self) -> State:
        import torch

        if not self.teacher:
            return State()
        ids, log_p = (torch.cat(parts) for parts in zip(*self.teacher.values(), strict=True))
        rows = [[*row, len(kept)] for row, (kept, _) in self.teacher.items()]
        return State({"ids": ids.long(), "log_p": log_p}, values={"rows": rows})

    def resume(self, stage: Stage, saved: SavedState) -> None:
        rows = saved.values.get("rows", [])
        if rows:
            sizes = [size for _, _, size in rows]
            ids, log_p = (saved.tensor(name).split(sizes) for name in ("ids", "log_p"))
            kept = zip(rows, ids, log_p, strict=True)
            self.teacher = {RowId(task, i): (k.int(), values) for (task, i, _), k, values in kept}


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
