"""OGD (arXiv 1910.07104, algorithm 1): g - Q Q^T g, with Q an orthonormal basis of the gradients of
the true tokens' mean logit (or of the loss) at stored rows of each earlier task."""

import random
from dataclasses import dataclass, field

import torch
from plain import Reference, Run

from harness.data.randomness import derive_seed


@dataclass
class OGD(Reference):
    memories: int
    of_loss: bool = False
    stored: list[torch.Tensor] = field(default_factory=list)

    def edit(self, run: Run, step: int) -> None:
        if not self.stored:
            return
        q, _ = torch.linalg.qr(torch.stack(self.stored, 1).double())
        g = torch.cat([p.grad.flatten() for p in run.params.values()]).double()
        g = (g - q @ (q.T @ g)).float()
        pieces = g.split([p.numel() for p in run.params.values()])
        for p, piece in zip(run.params.values(), pieces, strict=True):
            p.grad = piece.view_as(p)

    def after_task(self, run: Run) -> None:
        source = random.Random(derive_seed("ogd", 0, run.task))
        for index in source.sample(range(33), self.memories):
            logits, answer = run.logits(run.own[index])
            of = logits[torch.arange(len(answer)), answer].mean()
            if self.of_loss:
                of = torch.nn.functional.cross_entropy(logits, answer)
            found = torch.autograd.grad(of, list(run.params.values()))
            self.stored.append(torch.cat([g.flatten() for g in found]))
