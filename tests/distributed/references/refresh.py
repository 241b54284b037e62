"""Refresh learning (arXiv 2403.10097, as its code has it): theta + rate (|theta| g / |g| + noise
xi) / (1 + damping F) before each step, whose gradient is taken there; F <- decay F + F_t."""

import random
from dataclasses import dataclass

import torch
from plain import Reference, Run

from harness.data.randomness import derive_seed


@dataclass
class Refresh(Reference):
    rate: float
    noise: float
    damping: float
    decay: float
    fisher: dict[str, torch.Tensor] | None = None

    def edit(self, run: Run, step: int) -> None:
        with torch.no_grad():
            for name, p in run.params.items():
                g, length = p.grad, p.grad.norm()
                move = p.norm() / length * g if length > 0 else torch.zeros_like(g)
                move = move + self.noise * self.normal(run, name, step, p)
                damping = 1 + self.damping * self.fisher[name] if self.fisher else 1.0
                p += self.rate * move / damping
        for name, g in run.gradient(run.batch).items():
            run.params[name].grad = g

    def normal(self, run: Run, name: str, step: int, p: torch.Tensor) -> torch.Tensor:
        if "lora_" in name:
            name = f"base_model.model.{name}.default.weight"
        seed = derive_seed("refresh-noise", 0, run.task, name, 0, step)  # the tensors are one piece
        drawn = random.Random(seed).getrandbits(62)
        source = torch.Generator().manual_seed(drawn)
        return torch.randn(p.numel(), generator=source).view_as(p)

    def after_task(self, run: Run) -> None:
        old, rows = self.fisher, run.own
        self.fisher = {n: torch.zeros_like(p) for n, p in run.params.items()}
        for row in rows:
            total, tokens = run.nll(row)
            p = (-total.detach() / tokens).exp()
            found = torch.autograd.grad(total, list(run.params.values()))
            for n, g in zip(self.fisher, found, strict=True):
                self.fisher[n] += p * g**2 / len(rows)
        for n, f in (old or {}).items():
            self.fisher[n] += self.decay * f
