"""EMA (arXiv 1703.01780, eq. 2): a <- d a + (1 - d) theta; the task ends with theta = a."""

from dataclasses import dataclass

import torch
from plain import Reference, Run


@dataclass
class EMA(Reference):
    decay: float

    def before_task(self, run: Run) -> None:
        self.average = run.copy()

    def after_step(self, run: Run, step: int) -> None:
        for name, p in run.params.items():
            self.average[name] = self.decay * self.average[name] + (1 - self.decay) * p

    def after_task(self, run: Run) -> None:
        with torch.no_grad():
            for name, p in run.params.items():
                p.copy_(self.average[name])
