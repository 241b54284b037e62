"""EMA (arXiv 1703.01780, eq. 2): a <- d a + (1 - d) theta; the task ends with theta = a."""

from dataclasses import dataclass

import torch
from plain import Reference, Run


@dataclass
class EMA(Reference):
    decay: float
    ramp: bool = False

    def before_task(self, run: Run) -> None:
        self.average = run.copy()

    def after_step(self, run: Run, step: int) -> None:
        decay = min(self.decay, 1 - 1 / (step + 1)) if self.ramp else self.decay
        for name, p in run.params.items():
            self.average[name] = decay * self.average[name] + (1 - decay) * p

    def after_task(self, run: Run) -> None:
        with torch.no_grad():
            for name, p in run.params.items():
                p.copy_(self.average[name])
