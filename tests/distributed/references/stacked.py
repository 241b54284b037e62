"""A fresh LoRA adapter a task (arXiv 2405.18069), and O-LoRA's penalty on it (arXiv 2310.14152)."""

from dataclasses import dataclass

import torch
from plain import STEPS, Lora, Reference, Run


@dataclass
class Stacked(Reference):
    """After each task W += scale B A; the next task draws a new A and has B = 0."""

    merge: bool = False

    def before_task(self, run: Run) -> None:
        self.layers = {n: m for n, m in run.model.named_modules() if isinstance(m, Lora)}
        if not run.earlier:
            self.old: dict[str, torch.Tensor] = {}
            return
        fresh = run.next_a(len(run.earlier) + 1)
        with torch.no_grad():
            for name, layer in self.layers.items():
                layer.linear.weight += layer.scale * layer.lora_B @ layer.lora_A
                layer.lora_A.copy_(fresh[name])
                layer.lora_B.zero_()

    def after_task(self, run: Run) -> None:
        for name, p in run.params.items():
            dim = 0 if name.endswith("lora_A") else 1
            parts = [self.old[name]] if name in self.old else []
            self.old[name] = torch.cat([*parts, p.detach().clone()], dim)

    def exported(self, run: Run) -> dict[str, torch.Tensor]:
        if not self.merge:
            return dict(self.old)
        found = {
            n.replace(".linear.", "."): p.detach().clone() for n, p in run.model.named_parameters()
        }
        for name, layer in self.layers.items():
            found[f"{name}.weight"] += layer.scale * (layer.lora_B @ layer.lora_A).detach()
        return {n: p for n, p in found.items() if "lora_" not in n}


@dataclass
class SFAStacked(Stacked):
    """SFA (arXiv 2501.05559) of W + scale B A with the anchor W: the update shrinks by 1 - beta."""

    period: int = 1
    beta: float = 0.0

    def after_step(self, run: Run, step: int) -> None:
        if (step + 1) % self.period == 0 or step + 1 == STEPS:
            for layer in self.layers.values():
                layer.lora_B *= 1 - self.beta


@dataclass
class OLoRA(Stacked):
    """lambda |B_old' B|^2 (paper), or lambda |A_old A'|_1 (upstream), by autograd."""

    strength: float = 0.5
    upstream: bool = False

    def edit(self, run: Run, step: int) -> None:
        for name, p in run.params.items():
            if name not in self.old or name.endswith("lora_A") != self.upstream:
                continue
            old = self.old[name]
            with torch.enable_grad():
                overlap = (old @ p.T).abs().sum() if self.upstream else ((old.T @ p) ** 2).sum()
            p.grad += torch.autograd.grad(self.strength * overlap, p)[0]
