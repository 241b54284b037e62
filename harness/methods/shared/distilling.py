"""Base of the strategies that keep the model near what an earlier one said of some rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.methods.base import Strategy
from harness.methods.shared.teacher import Teacher, Told
from harness.methods.stage import Stage

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


Distance = Callable[[Told, "Tensor"], "Tensor"]
"""What is kept of n answer tokens, what the model says now [n, ...] -> a number for each, [n]."""


@dataclass
class Distilling(Strategy):
    """Holds the teacher, `self.teacher`, and notes what distillation adds to a step's loss."""

    abstract: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.teacher = Teacher()
        # Of the current step, on this rank: the step, its distillation loss, its answer tokens.
        self.distilled: tuple[int, Tensor | float, int] = (-1, 0.0, 0)

    def _penalty(
        self,
        stage: Stage,
        made: "Pass",
        weight: float,
        of: Distance,
        outputs: "Tensor | None" = None,
    ) -> "Tensor | None":
        """weight of(what is kept, outputs) at the answer tokens of the rows that the teacher knows,
        0 at others, [n]; None where it knows none. outputs: [n, ...], the logits by default. It is
        noted for `figures`."""
        import torch

        loss = torch.zeros(len(made.logits), device=made.logits.device)
        now = made.logits if outputs is None else outputs
        known = [(part, of(told, now[part])) for part, told in self.teacher.parts(made)]
        if not known:
            return None
        for part, away in known:
            loss[part] = weight * away
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
