"""One safetensors file, read and written tensor by tensor.

The safetensors library writes a file from tensors that are all in memory. Types and shapes are
known beforehand here, so the header is written first and each tensor's bytes follow as it comes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from harness.errors import DataError
from harness.models.weights.headers import ELEMENT_BYTES, TensorSpec, header_bytes
from harness.store.hashing import HashedFile, hashed
from harness.store.pulse import beat

TORCH_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "BF16": torch.bfloat16,
    "F16": torch.float16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
TYPE_NAMES = {kind: name for name, kind in TORCH_TYPES.items()}
PIECE = 2**20  # elements of a large tensor that are handled at a time: 4 MiB in fp32

# What gives a tensor by its name: whole, or as flat pieces in order.
Source = Callable[[str], Tensor | Iterable[Tensor]]


def spans(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """[start, stop) in consecutive parts of at most PIECE elements."""
    for first in range(start, stop, PIECE):
        yield first, min(first + PIECE, stop)


def spec_of(tensor: Tensor) -> TensorSpec:
    """Type and shape of a tensor as it would be stored."""
    return TensorSpec(TYPE_NAMES[tensor.dtype], tuple(tensor.shape))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The library's handle of a file. Raises DataError where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as stream:
            yield stream
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: cannot be read as safetensors ({error})") from None


def read_tensor(path: Path, name: str) -> Tensor:
    """One tensor of a file. The file is mapped for this tensor alone, so that its pages leave
    memory with it."""
    beat()
    with opened(path) as stream:
        return stream.get_tensor(name)


def write_order(specs: dict[str, TensorSpec]) -> list[str]:
    """The order in which `write_tensors` asks for tensors: wide types first, so that every one
    starts at a multiple of its element's size."""
    return sorted(specs, key=lambda name: -ELEMENT_BYTES[specs[name].dtype])


def write_tensors(path: Path, specs: dict[str, TensorSpec], tensors: Source) -> None:
    """Write `tensors(name)` for every name of `specs`, in its type. Each tensor is asked for once
    and dropped after it is written, the file's hash taken on the way. Raises DataError where the
    file cannot be written."""
    ordered = {name: specs[name] for name in write_order(specs)}
    try:
        with hashed(path) as stream:
            stream.write(header_bytes(ordered))
            for name, spec in ordered.items():
                _write(stream, name, spec, tensors(name))
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None


def _write(
    stream: HashedFile, name: str, spec: TensorSpec, tensor: Tensor | Iterable[Tensor]
) -> None:
    if isinstance(tensor, Tensor):
        if tuple(tensor.shape) != spec.shape:
            raise ValueError(f"{name}: shape {tuple(tensor.shape)} instead of {spec.shape}")
        tensor = [tensor]
    written = 0
    for piece in tensor:
        flat = piece.detach().to("cpu", TORCH_TYPES[spec.dtype]).contiguous().reshape(-1)
        stream.write(flat.view(torch.uint8).numpy())
        written += flat.numel()
        beat()
    if written != spec.size:
        raise ValueError(f"{name}: {written} elements instead of {spec.size}")
