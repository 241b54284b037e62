"""OSFT (arXiv 2504.07097): the largest singular directions of a matrix stay; gradients and each
step's change are projected off them on both sides."""

from dataclasses import dataclass

import torch
from plain import Reference, Run


@dataclass
class OSFT(Reference):
    unfrozen: float
    adaptive: tuple[float, float] | None = None  # the smallest part that is kept, and the mean one

    def before_task(self, run: Run) -> None:
        parts = [1 - self.unfrozen] * 2
        if self.adaptive:
            (low, high), cosines = self.adaptive, block_cosines(run)
            parts = (low + cosines / cosines.mean() * (high - low)).clamp(max=1).tolist()
        self.kept = {}
        for name, p in run.params.items():
            if p.dim() == 2 and "layers." in name:
                u, _, vh = torch.linalg.svd(p.detach().double(), full_matrices=False)
                k = min(int(parts[int(name.split(".")[2])] * len(vh)), len(vh) - 1)
                self.kept[name] = u[:, :k] @ u[:, :k].T, vh[:k].T @ vh[:k], p.detach().clone()

    def project(self, name: str, x: torch.Tensor) -> torch.Tensor:
        left, right, _ = self.kept[name]
        x = x.double() - left @ x.double()
        return (x - x @ right).float()

    def edit(self, run: Run, step: int) -> None:
        for name in self.kept:
            run.params[name].grad = self.project(name, run.params[name].grad)

    def after_step(self, run: Run, step: int) -> None:
        for name, (_, _, origin) in self.kept.items():
            p = run.params[name]
            p.copy_(origin + self.project(name, p - origin))


def block_cosines(run: Run) -> torch.Tensor:
    """Of each block, the sum over all tokens of the cosine between its input and output."""
    found = torch.zeros(2)

    def seen(number: int):
        def hook(module, inputs, output) -> None:
            found[number] += torch.cosine_similarity(inputs[0], output, -1).sum()

        return hook

    hooks = [b.register_forward_hook(seen(i)) for i, b in enumerate(run.model.model.layers)]
    with torch.no_grad():
        for row in run.own:
            run.logits(row)
    for hook in hooks:
        hook.remove()
    return found
