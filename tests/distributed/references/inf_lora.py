"""InfLoRA (arXiv 2404.00228): A is set to the first left singular vectors of (I - M M') H and kept,
with H = mean x x' of a layer's inputs; M spans a part of earlier tasks' H."""

from dataclasses import dataclass

import torch
from plain import Run
from references.stacked import Stacked


@dataclass
class InfLoRA(Stacked):
    part: float = 0.95
    growth: float = 0.005

    def inputs(self, run: Run) -> dict[str, torch.Tensor]:
        """(I - M M') H and H of every layer."""
        seen: dict[str, list] = {name: [] for name in self.layers}
        hooks = [
            layer.register_forward_pre_hook(lambda m, x, n=name: seen[n].append(x[0][0].double()))
            for name, layer in self.layers.items()
        ]
        with torch.no_grad():
            for row in run.own:
                run.logits(row)
        for hook in hooks:
            hook.remove()
        found = {n: torch.cat(x) for n, x in seen.items()}
        found = {n: x.T @ x / len(x) for n, x in found.items()}
        return {n: (h - self.m[n] @ self.m[n].T @ h, h) for n, h in found.items()}

    def before_task(self, run: Run) -> None:
        super().before_task(run)
        if not run.earlier:
            empty = torch.zeros(64, 0, dtype=torch.float64)
            self.m = dict.fromkeys(self.layers, empty)
        for name, (rest, _) in self.inputs(run).items():
            a = self.layers[name].lora_A
            with torch.no_grad():
                a.copy_(torch.linalg.svd(rest)[0][:, : len(a)].T / 3**0.5)

    def edit(self, run: Run, step: int) -> None:
        for layer in self.layers.values():
            layer.lora_A.grad = None

    def after_task(self, run: Run) -> None:
        super().after_task(run)
        part = self.part + self.growth * len(run.earlier)
        for name, (rest, h) in self.inputs(run).items():
            left = torch.linalg.svd(rest)[0]
            while (self.m[name].T @ h).square().sum() < part * h.square().sum():
                self.m[name] = torch.cat([self.m[name], left[:, :1]], 1)
                left = left[:, 1:]
