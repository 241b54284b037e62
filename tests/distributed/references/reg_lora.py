"""RegLoRA (arXiv 2505.02486): strength times the mean over layers of the mean of |B A| where the
update of the task before was largest."""

from dataclasses import dataclass

from plain import Run
from references.stacked import Stacked


@dataclass
class RegLoRA(Stacked):
    strength: float = 0.0
    top: float = 0.02

    def before_task(self, run: Run) -> None:
        super().before_task(run)
        self.places = self.places if run.earlier else {}

    def edit(self, run: Run, step: int) -> None:
        for name, places in self.places.items():
            update = self.layers[name].lora_B @ self.layers[name].lora_A
            mean = update[places].abs().sum() / places.sum()
            (self.strength / len(self.layers) * mean).backward()  # adds to the gradients

    def after_task(self, run: Run) -> None:
        super().after_task(run)
        for name, layer in self.layers.items():
            size = (layer.lora_B @ layer.lora_A).detach().abs()
            smallest = size.flatten().sort(descending=True).values[int(self.top * size.numel()) - 1]
            self.places[name] = size >= smallest
