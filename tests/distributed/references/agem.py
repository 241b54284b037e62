"""A-GEM (arXiv 1812.00420, eq. 11): g - (g.r / r.r) r where g.r < 0, with r the gradient
of a memory batch."""

import random
from dataclasses import dataclass

import torch
from plain import Reference, Run

from harness.data.randomness import derive_seed


@dataclass
class AGEM(Reference):
    ratio: float
    batch: int

    def before_task(self, run: Run) -> None:
        self.memory = []
        for name, rows in run.earlier:
            source = random.Random(derive_seed("agem", 0, name))
            self.memory += source.sample(rows, round(self.ratio * len(rows)))

    def edit(self, run: Run, step: int) -> None:
        if not self.memory:
            return
        source = random.Random(derive_seed("agem-batch", 0, run.task, step))
        memory = run.gradient(source.sample(self.memory, self.batch))
        r = torch.cat([memory[name].flatten() for name in run.params])
        g = torch.cat([p.grad.flatten() for p in run.params.values()])
        if g @ r < 0:
            g = g - (g @ r) / (r @ r) * r
        pieces = g.split([p.numel() for p in run.params.values()])
        for p, piece in zip(run.params.values(), pieces, strict=True):
            p.grad = piece.view_as(p)
