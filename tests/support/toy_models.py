"""Models of a few numbers in memory, for edits whose results are worked out by hand."""

import torch

from harness.methods.edits.base import Edit


class Toy:
    """Models in memory: `tensors[name]` is the base's tensor and those of the tuned models."""

    def __init__(self, **tensors: list[list[float]]) -> None:
        self.tensors = {
            name.replace("__", "."): [torch.tensor(value) for value in values]
            for name, values in tensors.items()
        }
        self.sizes = {name: values[0].numel() for name, values in self.tensors.items()}
        self.count = len(next(iter(self.tensors.values()))) - 1

    def read(self, name: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
        base, *tuned = self.tensors[name]
        return base, tuned

    def edited(self, edit: Edit) -> dict[str, list[float]]:
        edit.check_count(self.count)
        edit.prepare(self)
        return {name: merged(edit, name, *self.read(name)).tolist() for name in self.sizes}


def merged(edit: Edit, name: str, base: torch.Tensor, tuned: list[torch.Tensor]) -> torch.Tensor:
    """A weight whose turn it is."""
    edit.survey(name, [(base, tuned)])
    return edit.merge(name, base, tuned)
