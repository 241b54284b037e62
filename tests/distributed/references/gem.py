"""GEM (arXiv 1706.08840, eqs. 8-11): g + G'(v + margin) where some G_k.g < 0; v by trying every
set of positive entries."""

import random
from dataclasses import dataclass
from itertools import combinations

import torch
from plain import Reference, Run

from harness.data.randomness import derive_seed


@dataclass
class GEM(Reference):
    ratio: float
    batch: int
    margin: float

    def before_task(self, run: Run) -> None:
        self.memory = {}
        for name, rows in dict(run.earlier).items():
            source = random.Random(derive_seed("gem", 0, name))
            self.memory[name] = source.sample(rows, round(self.ratio * len(rows)))

    def edit(self, run: Run, step: int) -> None:
        past = []
        for name, rows in self.memory.items():
            source = random.Random(derive_seed("gem-batch", 0, run.task, name, step))
            found = run.gradient(source.sample(rows, self.batch))
            past.append(torch.cat([found[n].flatten() for n in run.params]).double())
        g = torch.cat([p.grad.flatten() for p in run.params.values()]).double()
        if past and any(one @ g < 0 for one in past):
            rows = torch.stack(past)
            g = g + rows.T @ (best(rows @ rows.T, rows @ g) + self.margin)
        pieces = g.float().split([p.numel() for p in run.params.values()])
        for p, piece in zip(run.params.values(), pieces, strict=True):
            p.grad = piece.view_as(p)


def best(m: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    found = []
    for size in range(len(a) + 1):
        for chosen in map(list, combinations(range(len(a)), size)):
            v = torch.zeros_like(a)
            v[chosen] = -torch.linalg.solve(m[chosen][:, chosen], a[chosen])
            if (v >= 0).all():
                found.append((float(v @ m @ v / 2 + a @ v), v))
    return min(found, key=lambda item: item[0])[1]
