"""CoSO (arXiv 2505.11816): gradients and steps in the span of a gradient's first left singular
vectors, off the earlier tasks' span P; a Frequent-Directions sketch of the task extends P."""

from dataclasses import dataclass, field

import torch
from plain import Reference, Run


@dataclass
class CoSO(Reference):
    rank: int
    sketch: int
    gap: int
    threshold: float
    past: dict[str, torch.Tensor] = field(default_factory=dict)

    def before_task(self, run: Run) -> None:
        wide = {n: p for n, p in run.params.items() if p.dim() == 2 and "layers." in n}
        self.seen = {n: torch.zeros(len(p), 0).double() for n, p in wide.items()}
        self.q: dict[str, torch.Tensor] = {}

    def edit(self, run: Run, step: int) -> None:
        self.start = run.copy()
        for name, p in run.params.items():
            if name in self.seen:
                g, past = p.grad.double(), self.past.get(name, torch.zeros(len(p), 1).double())
                if step % self.gap == 0:
                    self.choose(name, g - past @ past.T @ g)
                p.grad = (self.q[name] @ self.q[name].T @ g).float()
            else:
                p.grad = None

    def choose(self, name: str, g: torch.Tensor) -> None:
        u, s, _ = torch.linalg.svd(g, full_matrices=False)
        u = u[:, s > 1e-6 * s[0]]  # a step of one answer of two tokens has a gradient of rank 2
        self.q[name], s = u[:, : self.rank], s[: u.shape[1]]
        joined = torch.cat([self.seen[name], (u @ s.diag())[:, : self.sketch]], 1)
        u, s, _ = torch.linalg.svd(joined, full_matrices=False)
        s = torch.cat([s, torch.zeros(1)])  # what comes next where there is no more
        first = (s[: self.sketch] ** 2 - s[min(self.sketch, len(s) - 1)] ** 2).sqrt()
        self.seen[name] = u[:, : self.sketch] @ first[: u.shape[1]].diag()

    def after_step(self, run: Run, step: int) -> None:
        for name, q in self.q.items():
            moved = (run.params[name] - self.start[name]).double()
            run.params[name].copy_(self.start[name] + (q @ (q.T @ moved)).float())

    def after_task(self, run: Run) -> None:
        for name, seen in self.seen.items():
            u, s, _ = torch.linalg.svd(seen, full_matrices=False)
            new = u[:, ((s**2).cumsum(0) / (s**2).sum() < self.threshold).nonzero()[:, 0]]
            self.past[name] = torch.cat([self.past[name], new], 1) if name in self.past else new
