"""MIGU (arXiv 2406.17245, section 3): keep the gradient rows with the largest mean L1-normalised
output magnitude over the batch's tokens."""

from dataclasses import dataclass

import torch
from plain import Lora, Reference, Run


@dataclass
class MIGU(Reference):
    threshold: float

    def before_task(self, run: Run) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        if len(run.earlier) == 1:
            for name, module in run.model.named_modules():
                full = isinstance(module, torch.nn.Linear) and module.weight.requires_grad
                if isinstance(module, Lora) or (full and "lm_head" not in name):
                    module.register_forward_hook(self.watch(name))

    def watch(self, name: str):
        def hook(module, inputs, output) -> None:
            seen = {f"{name}.weight": output}
            if isinstance(module, Lora):
                seen = {f"{name}.lora_A": inputs[0] @ module.lora_A.T, f"{name}.lora_B": output}
            for key, value in seen.items():
                size = value.detach().abs()[0]
                share = (size / size.sum(-1, keepdim=True)).sum(0)
                self.sums[key] = self.sums.get(key, 0) + share

        return hook

    def edit(self, run: Run, step: int) -> None:
        for name, magnitude in self.sums.items():
            dropped = magnitude.argsort()[: int(self.threshold * len(magnitude))]
            run.params[name].grad[dropped] = 0.0
        self.sums = {}
