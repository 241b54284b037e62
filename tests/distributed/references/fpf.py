"""FPF and k-FPF (arXiv 2304.04158): k times in a task Adam on a buffer of all tasks for the tensors
with the largest mean |theta - theta at the task's start| that fit into a share of all weights."""

import random
from dataclasses import dataclass

import torch
from plain import Reference, Run

from harness.data.randomness import derive_seed


@dataclass
class FPF(Reference):
    ends: tuple[int, ...]
    steps: int
    rate: float
    share: float
    ratio: float
    batch: int

    def before_task(self, run: Run) -> None:
        self.before, self.buffer = run.copy(), []
        for name, rows in [*run.earlier, (run.task, run.own)]:
            source = random.Random(derive_seed("fpf", 0, name))
            self.buffer += source.sample(rows, round(self.ratio * len(rows)))

    def after_step(self, run: Run, step: int) -> None:
        if not run.earlier or step + 1 not in self.ends:
            return
        away = {n: float((p - self.before[n]).abs().mean()) for n, p in run.params.items()}
        room, chosen = self.share * sum(p.numel() for p in run.params.values()), []
        for name in sorted(away, key=away.get, reverse=True):
            if run.params[name].numel() <= room:
                room -= run.params[name].numel()
                chosen.append(run.params[name])
        adam = torch.optim.Adam(chosen, lr=self.rate, betas=(0.9, 0.999), eps=1e-6)
        for turn in range(1, self.steps + 1):
            source = random.Random(derive_seed("fpf-batch", 0, run.task, str(turn), step))
            with torch.enable_grad():
                found = run.gradient(source.sample(self.buffer, self.batch))
            for name, p in run.params.items():
                p.grad = found[name]
            adam.step()
