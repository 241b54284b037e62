"""L2: loss + lambda / 2 |theta - anchor|^2, or theta <- theta - rate lambda (theta - anchor)."""

from dataclasses import dataclass

import torch
from plain import RATE, Reference, Run


@dataclass
class L2(Reference):
    strength: float
    form: str
    initial: bool = False

    def before_task(self, run: Run) -> None:
        if not (self.initial and run.earlier):
            self.anchor = run.copy()

    def edit(self, run: Run, step: int) -> None:
        if self.form == "loss":
            distance = sum(((p - self.anchor[n]) ** 2).sum() for n, p in run.params.items())
            (self.strength / 2 * distance).backward()  # adds to p.grad
        if self.form == "decoupled_before":
            self.pull(run)

    def after_step(self, run: Run, step: int) -> None:
        if self.form == "decoupled_after":
            self.pull(run)

    @torch.no_grad()
    def pull(self, run: Run) -> None:
        for name, p in run.params.items():
            p -= RATE * self.strength * (p - self.anchor[name])
