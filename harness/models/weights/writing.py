"""Write a model folder tensor by tensor, and have it appear whole or not at all.

The safetensors library writes a file from tensors that are all in memory. Types and shapes are
known beforehand here, so the header is written first and each tensor's bytes follow as it comes.
Format: 8 bytes of header length (little endian), a JSON header, the bytes without holes.
"""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from harness.errors import ConfigError, DataError
from harness.models.weights.reading import CONFIG, INDEX, WEIGHTS, TensorSpec, read_json
from harness.store.files import write_json

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
_GIVEN_BY_CONFIG = (CONFIG, "generation_config.json", "*.py")
_GIVEN_BY_TOKENIZER = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "chat_template*",
)


def write_weights(
    folder: Path,
    specs: dict[str, TensorSpec],
    tensors: Callable[[str], Tensor],
    shard_bytes: int,
) -> int:
    """Write `tensors(name)` for every name of `specs`, in its type; returns the number of files.

    Each tensor is asked for once and dropped after it is written.
    """
    shards = _shards(specs, shard_bytes)
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = WEIGHTS
        if len(shards) > 1:
            file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        weight_map |= dict.fromkeys(names, file)
        try:
            _write_file(folder / file, {name: specs[name] for name in names}, tensors)
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{folder / file}: cannot be written: {reason}") from None
    if len(shards) > 1:
        total = sum(map(byte_size, specs.values()))
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})
    return len(shards)


def byte_size(spec: TensorSpec) -> int:
    """Bytes of a tensor."""
    return spec.size * TORCH_TYPES[spec.dtype].itemsize


def copy_companions(sources: list[Path], folder: Path, dtype: str) -> None:
    """Configuration and tokenizer of the first source that has them, the configuration naming the
    type of the weights (a safetensors name)."""
    for marker, patterns in ((CONFIG, _GIVEN_BY_CONFIG), ("tokenizer*", _GIVEN_BY_TOKENIZER)):
        source = next((place for place in sources if any(place.glob(marker))), None)
        if source is None:
            continue
        for pattern in patterns:
            for path in sorted(source.glob(pattern)):
                if path.is_file():
                    shutil.copyfile(path, folder / path.name)
    config = read_json(folder / CONFIG)
    config.pop("torch_dtype", None)
    name = str(TORCH_TYPES[dtype]).removeprefix("torch.")
    write_json(folder / CONFIG, config | {"dtype": name})


def check_output(out: Path, inputs: list[Path], overwrite: bool) -> None:
    """Raise ConfigError where writing `out` would lose something, DataError where it cannot be."""
    place = out.resolve()
    for path in inputs:
        if path.resolve().is_relative_to(place):
            raise ConfigError(f"--out {out}: would replace {path}; choose another folder")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: is a file; choose a folder")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise ConfigError(f"--out {out}: is not empty; choose another folder or add --overwrite")
    if out.is_dir() and any(out.iterdir()) and not (out / CONFIG).is_file():
        raise ConfigError(
            f"--out {out}: holds no {CONFIG}; --overwrite replaces folders of models alone"
        )


def _shards(specs: dict[str, TensorSpec], limit: int) -> list[list[str]]:
    """Names in their order, cut where the next tensor would exceed the limit."""
    shards: list[list[str]] = [[]]
    filled = 0
    for name, spec in specs.items():
        size = byte_size(spec)
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def _write_file(path: Path, specs: dict[str, TensorSpec], tensors: Callable[[str], Tensor]) -> None:
    # Wide types first: every tensor then starts at a multiple of its element size.
    order = sorted(specs, key=lambda name: -TORCH_TYPES[specs[name].dtype].itemsize)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        start, end = end, end + byte_size(specs[name])
        header[name] = {
            "dtype": specs[name].dtype,
            "shape": list(specs[name].shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            _write_tensor(stream, name, specs[name], tensors(name))


def _write_tensor(stream: IO[bytes], name: str, spec: TensorSpec, tensor: Tensor) -> None:
    if tuple(tensor.shape) != spec.shape:
        raise ValueError(f"{name}: shape {tuple(tensor.shape)} instead of {spec.shape}")
    flat = tensor.to(TORCH_TYPES[spec.dtype]).contiguous().reshape(-1)
    stream.write(flat.view(torch.uint8).numpy())
