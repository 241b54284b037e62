"""Dark experience replay (DER, DER++): remembered rows with what the model once said of them.

"Dark Experience for General Continual Learning: a Strong, Simple Baseline" (arXiv 2004.07211, eqs.
5 and 6): two draws from the memory, independent of each other, join every optimizer step,

    loss += alpha mean (z - z_old)^2 on the first + beta (-log p(answer)) on the second,

both means over answer tokens; z are the model's logits, z_old those at the time that the row
entered the memory. With beta = 0 this is DER.

The paper's classes are tens, a vocabulary is not: of z_old the k largest logits are stored, and the
log of the sum of exp of all others as one more; the square is averaged over these k + 1 (over the
vocabulary where k spans it). The paper fills its memory at every step, with logits on the way; here
a task's rows enter when it ends, chosen as `Memory` does, with the logits of the model that it
leaves, so that the rows of the current task are not among the remembered.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.memory import Fill, Memory
from harness.methods.needs import Needs
from harness.methods.shared.adding import COPIES, add_gradient
from harness.methods.shared.distilling import Distilling
from harness.methods.shared.teacher import Teacher, Told
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


@dataclass
class DER(Distilling):
    """Replay with the labels and with the logits of remembered rows.

    alpha: of the distance of logits, 0 or more. beta: of the cross entropy, 0 or more. Both 0 is
        sequential fine-tuning.
    ratio, buffer, fill: the memory's rows, as `replay` has them.
    batch_size: rows of each of the two draws (an extra forward and backward pass each).
    top_k: logits stored for each answer token (8 bytes each, and 4).
    """

    alpha: float = 0.5
    beta: float = 0.5
    ratio: float = 0.1
    buffer: int | None = None
    fill: Fill = Fill.per_task
    batch_size: int = 32
    top_k: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha", "beta"):
            require_range(name, getattr(self, name), 0)
        require_range("batch_size", self.batch_size, 1)
        require_range("top_k", self.top_k, 1)
        require_range("ratio", self.ratio, 0, 1)
        if self.buffer is not None:
            require_range("buffer", self.buffer, 0)
        elif self.fill is Fill.reservoir:
            raise ConfigError("fill=reservoir: it fills a buffer; set buffer to a number of rows")
        self.memory = Memory("der", self.ratio, self.buffer, self.fill)

    def needs(self) -> Needs:
        active = self.memory.active and self.alpha + self.beta > 0
        copies = COPIES if active else 0
        return Needs(
            history=active, rows=active, adds_gradient=active, sharp=active, host_copies=copies
        )

    def load(self, saved: SavedState) -> None:
        self.teacher = Teacher.read(saved)

    def start(self, stage: Stage) -> None:
        if self.needs().rows:
            self.memory.collect(stage)

    def gradients(self, stage: Stage) -> None:
        def distance(made: "Pass") -> "Tensor":
            return self._penalty(stage, made, 1.0, squares)

        for weight, part, loss in ((self.alpha, "logits", distance), (self.beta, "labels", None)):
            batch = self.memory.draw(stage, self.batch_size, part=part)
            if batch and weight > 0:
                add_gradient(stage, batch, loss, weight)

    def figures(self, stage: Stage) -> dict[str, float]:
        """distance: the mean square of the step's first draw."""
        return {"distance": super().figures(stage)["penalty"]}

    def measure(self, stage: Stage) -> None:
        if not self.needs().rows:
            return
        ahead = self.memory.ahead(stage)
        self.teacher.keep_only(ahead)
        new = [row for row in ahead if row.id.task == stage.task]
        self.teacher.ask(stage, new, lambda made: largest(made.logits, self.top_k))

    def memory_rows(self) -> int:
        return len(self.memory)

    def state(self) -> State:
        return self.teacher.state()

    def running(self) -> State:
        return State()  # `load` has what it keeps, and draws hang on the step alone


def largest(logits: "Tensor", top_k: int) -> Told:
    """The k largest logits [n, k], which tokens' they are, and the log-sum-exp of all others
    [n, 1], where there are others."""
    logits = logits.float()
    top = logits.topk(min(top_k, logits.shape[-1]))
    told = {"ids": top.indices.int(), "logits": top.values}
    for rest in _rest(logits, top.indices):
        told["rest"] = rest
    return told


def squares(told: Told, logits: "Tensor") -> "Tensor":
    """Mean square of the distance of `logits` [n, vocabulary] to those of `largest`, [n]."""
    import torch

    ids, logits = told["ids"].long(), logits.float()
    away = [logits.gather(-1, ids) - told["logits"]]
    away += [rest - told["rest"] for rest in _rest(logits, ids)]
    return torch.cat(away, -1).pow(2).mean(-1)


def _rest(logits: "Tensor", ids: "Tensor") -> "list[Tensor]":
    if ids.shape[-1] == logits.shape[-1]:
        return []
    return [logits.scatter(-1, ids.long(), float("-inf")).logsumexp(-1, keepdim=True)]
