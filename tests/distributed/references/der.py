"""DER++ (arXiv 2004.07211, eqs. 5 and 6): alpha MSE(logits, stored logits) on one draw and beta
cross entropy on another; stored are the k largest logits, the others' log-sum-exp is one more."""

import random
from dataclasses import dataclass, field

import torch
from plain import Reference, Run

from harness.data.randomness import derive_seed


@dataclass
class DER(Reference):
    alpha: float
    beta: float
    ratio: float
    batch: int
    k: int
    memory: list = field(default_factory=list)  # row, kept tokens, kept logits with the rest's

    def kept(self, run: Run, row: dict, top: torch.Tensor | None = None):
        z, _ = run.logits(row)
        top = z.topk(self.k).indices if top is None else top
        others = torch.ones_like(z, dtype=torch.bool).scatter(1, top, False)
        rest = z[others].view(len(z), -1).logsumexp(1, keepdim=True)
        return top, torch.cat([z.gather(1, top), rest], 1)

    def edit(self, run: Run, step: int) -> None:
        for part in ("logits", "labels") if self.memory else ():
            source = random.Random(derive_seed("der-batch", 0, run.task, part, step))
            drawn = source.sample(self.memory, min(self.batch, len(self.memory)))
            total, tokens = 0.0, sum(len(top) for _, top, _ in drawn)
            for row, top, old in drawn:
                away = (self.kept(run, row, top)[1] - old).pow(2).mean(1).sum()
                total += self.alpha * away if part == "logits" else self.beta * run.nll(row)[0]
            found = torch.autograd.grad(total / tokens, list(run.params.values()))
            for p, more in zip(run.params.values(), found, strict=True):
                p.grad += more

    def after_task(self, run: Run) -> None:
        source = random.Random(derive_seed("der", 0, run.task))
        chosen = source.sample(run.own, round(self.ratio * len(run.own)))
        with torch.no_grad():
            self.memory += [(row, *self.kept(run, row)) for row in chosen]
