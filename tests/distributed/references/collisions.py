"""Penalties on whole updates D = B A of stacked adapters, by autograd: N-LoRA (arXiv 2410.10179),
strength |D|_1, or the cosine of |D| and |D_old|; O-LoRA's delta |D_old' D|^2 and cosine of A."""

from dataclasses import dataclass

import torch
from plain import Run
from references.stacked import Stacked
from torch.nn.functional import cosine_similarity


@dataclass
class Penalised(Stacked):
    strength: float = 0.0
    cosine: bool = False

    def penalty(self, a, b, old) -> torch.Tensor:
        raise NotImplementedError

    def edit(self, run: Run, step: int) -> None:
        for name, layer in self.layers.items():
            a, b = layer.lora_A, layer.lora_B
            old = [self.old.get(f"{name}.lora_{factor}") for factor in "AB"]
            value = self.strength * self.penalty(a, b, None if old[0] is None else old)
            if value.requires_grad:
                value.backward()  # adds to the gradients


@dataclass
class NLoRA(Penalised):
    def penalty(self, a, b, old) -> torch.Tensor:
        update = (b @ a).abs()
        if not self.cosine:
            return update.sum()
        if old is None or update.max() == 0:
            return torch.zeros(())
        return cosine_similarity(update.flatten(), (old[1] @ old[0]).abs().flatten(), dim=0)


@dataclass
class OLoRADelta(Penalised):
    def penalty(self, a, b, old) -> torch.Tensor:
        if old is None:
            return torch.zeros(())
        if self.cosine:
            return (cosine_similarity(old[0][:, None], a[None], dim=2) ** 2).sum()
        return ((old[1] @ old[0]).T @ (b @ a)).square().sum()
