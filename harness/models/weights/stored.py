"""The exact values of a model's weights, read from its folder a piece at a time."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.models.weights.reading import INDEX, WEIGHTS, Checkpoint
from harness.models.weights.saving import streams
from harness.models.weights.tensor_file import opened, spans
from harness.store.pulse import beat


class StoredWeights:
    """What the files of a loaded model say, under the names that its parameters have."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    def __contains__(self, name: str) -> bool:
        return name in self._checkpoint.specs

    def pieces(
        self, name: str, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, Tensor]]:
        """Elements [start, stop) of the flattened weight in fp32 on the CPU, as (place of the first
        one, piece), in order. Nothing else of the file is held."""
        spec = self._checkpoint.specs[name]
        end = spec.size if stop is None else stop
        with opened(self._checkpoint.files[name]) as file:
            for first, last in spans(start, end):
                yield first, flat_piece(file, name, spec.shape, first, last).float()


def stored_weights(model: Any, folder: Path) -> StoredWeights | None:
    """The files of a model that was loaded from `folder`. None where they do not say what its
    parameters hold: other formats than safetensors, other names or shapes, weights that
    transformers converts."""
    if not streams(model) or not has_safetensors(folder):
        return None
    checkpoint = Checkpoint(folder)
    for name, parameter in model.named_parameters():
        spec = checkpoint.specs.get(name)
        if spec is None or not spec.floating or spec.shape != tuple(parameter.shape):
            return None
    return StoredWeights(checkpoint)


def has_safetensors(folder: Path) -> bool:
    """Can `Checkpoint` read the folder's weights?"""
    return any((folder / name).is_file() for name in (WEIGHTS, INDEX))


def flat_piece(file: Any, name: str, shape: tuple[int, ...], start: int, stop: int) -> Tensor:
    """Elements [start, stop) of a flattened tensor of an open file, in its stored type; no more
    rows are read than these touch."""
    beat()
    if not shape:
        return file.get_tensor(name).reshape(1)[start:stop]
    width = math.prod(shape[1:])
    first = start // width
    rows = file.get_slice(name)[first : -(-stop // width)].reshape(-1)
    return rows[start - first * width : stop - first * width].clone()
