"""SFT + KL (the penalty of arXiv 2203.02155, eq. 2, on the task's answers): weight KL(p || p_0) at
every answer token, p_0 being the model before the first task; or KL(p_0 || p)."""

import copy
from dataclasses import dataclass

import torch
from plain import Reference, Run


@dataclass
class KLInitial(Reference):
    weight: float
    forward: bool = False

    def before_task(self, run: Run) -> None:
        if not run.earlier:
            self.initial = copy.deepcopy(run.model)

    def extra(self, run: Run, row: dict[str, str]) -> torch.Tensor:
        new = run.logits(row)[0].log_softmax(-1)
        run.model, kept = self.initial, run.model
        with torch.no_grad():
            old = run.logits(row)[0].log_softmax(-1)
        run.model = kept
        p, q = (old, new) if self.forward else (new, old)
        return self.weight * (p.exp() * (p - q)).sum()
