"""TreeLoRA (arXiv 2506.10355) with one earlier task, which every layer is drawn to: the loss less
strength (s / T) loss log |S|, S the sum of <A, mean A of that task>, the loss a number."""

from dataclasses import dataclass

import torch
from plain import STEPS, Reference, Rows, Run


@dataclass
class TreeLoRA(Reference):
    strength: float

    def before_task(self, run: Run) -> None:
        self.seen: list[dict] = []

    def extra(self, run: Run, row: dict) -> torch.Tensor:
        self.batch.append(row)
        return torch.zeros(())

    def rows(self, run: Run) -> Rows:
        self.batch: list[dict] = []
        return run.own

    def edit(self, run: Run, step: int) -> None:
        rows, self.batch = self.batch, []
        factors = {n: p for n, p in run.params.items() if n.endswith("lora_A")}
        self.seen.append({n: p.detach().clone() for n, p in factors.items()})
        if not run.earlier:
            return
        with torch.no_grad():
            sums, counts = zip(*map(run.nll, rows), strict=True)
        overlap = sum((p * self.mean[n]).sum() for n, p in factors.items())
        weight = self.strength * step / STEPS * float(sum(sums) / sum(counts))
        (-weight * overlap.abs().log()).backward()  # adds to the gradients

    def after_task(self, run: Run) -> None:
        names = self.seen[0]
        self.mean = {n: torch.stack([one[n] for one in self.seen]).mean(0) for n in names}
