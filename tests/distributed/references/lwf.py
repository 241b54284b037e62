"""LwF (arXiv 1606.09282, 1503.02531): T^2 KL(softmax(old / T) || softmax(new / T)) at every answer
token, `old` being the model at the start of the task; from the second task on."""

import copy
from dataclasses import dataclass

import torch
from plain import Reference, Run


@dataclass
class LwF(Reference):
    weight: float
    temperature: float

    def before_task(self, run: Run) -> None:
        self.old = copy.deepcopy(run.model) if run.earlier else None

    def extra(self, run: Run, row: dict[str, str]) -> torch.Tensor:
        if self.old is None:
            return torch.zeros(())
        new, _ = run.logits(row)
        run.model, kept = self.old, run.model
        with torch.no_grad():
            old, _ = run.logits(row)
        run.model = kept
        p = torch.softmax(old / self.temperature, -1)
        q = torch.softmax(new / self.temperature, -1)
        kl = (p * (p.log() - q.log())).sum()
        return self.weight * self.temperature**2 * kl
