"""ZSCL (arXiv 2303.06628, eqs. 3 and 6): T^2 KL(p_0 || p) on reference texts, T = 2, with p_0 of
the model before the first task; every `period` steps the n-th average is (n average + theta) /
(n + 1), which the task ends with."""

from dataclasses import dataclass

import torch
from plain import Run
from references.texts import OnTexts


@dataclass
class ZSCL(OnTexts):
    batch: int
    period: int
    name = "zscl"

    def before_task(self, run: Run) -> None:
        super().before_task(run)
        self.average = run.copy()

    def edit(self, run: Run, step: int) -> None:
        total, tokens = 0.0, 0
        for row in self.drawn(run, step):
            now, before = self.both(run, row, lambda row: run.logits(row)[0] / 2)
            p, q = before.log_softmax(-1), now.log_softmax(-1)
            total, tokens = total + 4 * (p.exp() * (p - q)).sum(), tokens + len(p)
        self.add(run, total / tokens)

    def after_step(self, run: Run, step: int) -> None:
        n, left = divmod(step + 1, self.period)
        for name, p in run.params.items() if left == 0 else ():
            self.average[name] = (n * self.average[name] + p) / (n + 1)

    def after_task(self, run: Run) -> None:
        with torch.no_grad():
            for name, p in run.params.items():
                p.copy_(self.average[name])
