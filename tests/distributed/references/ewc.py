"""EWC (arXiv 1612.00796): loss + lambda / 2 sum_k F_k (theta - theta*_k)^2, one term a task, or
online (arXiv 1805.06370): F <- gamma F + F_t around the last weights."""

import random
from dataclasses import dataclass, field

import torch
from plain import Reference, Run

from harness.data.randomness import derive_seed


@dataclass
class EWC(Reference):
    strength: float
    samples: int
    gamma: float | None = None  # None: one term a task
    sampled: bool = False
    batch: int = 1
    terms: list[tuple[dict, dict]] = field(default_factory=list)  # (F, theta*)

    def edit(self, run: Run, step: int) -> None:
        for fisher, centre in self.terms:
            distance = sum((fisher[n] * (p - centre[n]) ** 2).sum() for n, p in run.params.items())
            (self.strength / 2 * distance).backward()  # adds to p.grad

    def after_task(self, run: Run) -> None:
        chosen = random.Random(derive_seed("ewc", 0, run.task)).sample(range(33), self.samples)
        batches = [chosen[i : i + self.batch] for i in range(0, self.samples, self.batch)]
        fisher = {n: torch.zeros_like(p) for n, p in run.params.items()}
        for batch in batches:
            likelihood = sum(self.log_likelihood(run, i) for i in batch) / len(batch)
            gradient = torch.autograd.grad(likelihood, list(run.params.values()))
            for name, g in zip(run.params, gradient, strict=True):
                fisher[name] += g**2 / len(batches)
        if self.gamma is not None and self.terms:
            old, _ = self.terms.pop()
            fisher = {n: self.gamma * old[n] + f for n, f in fisher.items()}
        self.terms.append((fisher, run.copy()))

    def log_likelihood(self, run: Run, index: int) -> torch.Tensor:
        logits, answer = run.logits(run.own[index])
        if self.sampled:
            draw = torch.Generator().manual_seed(derive_seed("ewc-label", 0, run.task, index))
            answer = torch.multinomial(logits.softmax(-1).detach(), 1, generator=draw)[:, 0]
        return logits.log_softmax(-1)[torch.arange(len(answer)), answer].sum()
