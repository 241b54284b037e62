"""Balanced EMA (arXiv 2410.10868): for each tensor a = 2 (1 + |g|) / (|theta - average| |g - g'|)
or |g| |theta - theta'| / (...), 0.01 outside (0, 1) and at the first step; from the second task."""

from dataclasses import dataclass

import torch
from plain import Reference, Run


@dataclass
class CIA(Reference):
    invariant: bool = False

    def before_task(self, run: Run) -> None:
        self.average, self.grad = run.copy(), None

    def edit(self, run: Run, step: int) -> None:
        self.old, self.last = self.grad, run.copy()
        self.grad = {name: p.grad.double() for name, p in run.params.items()}

    def after_step(self, run: Run, step: int) -> None:
        for name, p in run.params.items():
            a = 0.01
            if self.old is not None:
                g, theta = self.grad[name], p.double()
                top = 2 * (1 + g.abs().sum())
                if self.invariant:
                    top = g.abs().sum() * (theta - self.last[name]).abs().sum()
                away = (theta - self.average[name]).abs().sum()
                share = float(top / (away * (g - self.old[name]).abs().sum()))
                a = share if 0 < share < 1 else 0.01
            self.average[name] = (1 - a) * self.average[name] + a * p

    def after_task(self, run: Run) -> None:
        if run.earlier:
            with torch.no_grad():
                for name, p in run.params.items():
                    p.copy_(self.average[name])
