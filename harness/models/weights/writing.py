"""Write a model folder: weights tensor by tensor, in shards, and what lies beside them."""

import shutil
from pathlib import Path

from harness.errors import ConfigError
from harness.models.weights.headers import TensorSpec
from harness.models.weights.reading import CONFIG, INDEX, WEIGHTS, read_json
from harness.models.weights.tensor_file import TORCH_TYPES, Source, write_order, write_tensors
from harness.store.files import write_json

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
    folder: Path, specs: dict[str, TensorSpec], tensors: Source, shard_bytes: int
) -> int:
    """Write `tensors(name)` for every name of `specs`, in its type; returns the number of files.

    Each tensor is asked for once, in the order of `asked_order`, and dropped after it is written.
    """
    shards = _shards(specs, shard_bytes)
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = WEIGHTS
        if len(shards) > 1:
            file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        weight_map |= dict.fromkeys(names, file)
        write_tensors(folder / file, _in_file(specs, names), tensors)
    if len(shards) > 1:
        total = sum(spec.bytes for spec in specs.values())
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})
    return len(shards)


def asked_order(specs: dict[str, TensorSpec], shard_bytes: int) -> list[str]:
    """The order in which `write_weights` asks for tensors."""
    shards = _shards(specs, shard_bytes)
    return [name for names in shards for name in write_order(_in_file(specs, names))]


def _in_file(specs: dict[str, TensorSpec], names: list[str]) -> dict[str, TensorSpec]:
    """By name, as the safetensors library orders them."""
    return {name: specs[name] for name in sorted(names)}


def copy_companions(sources: list[Path], folder: Path, dtype: str) -> None:
    """Configuration and tokenizer of the first source that has them, the configuration naming the
    type of the weights (a safetensors name)."""
    _copy_first(sources, folder, CONFIG, _GIVEN_BY_CONFIG)
    copy_tokenizer(sources, folder)
    config = read_json(folder / CONFIG)
    config.pop("torch_dtype", None)
    name = str(TORCH_TYPES[dtype]).removeprefix("torch.")
    write_json(folder / CONFIG, config | {"dtype": name})


def copy_tokenizer(sources: list[Path], folder: Path) -> None:
    """The tokenizer of the first source that has one."""
    _copy_first(sources, folder, "tokenizer*", _GIVEN_BY_TOKENIZER)


def _copy_first(sources: list[Path], folder: Path, marker: str, patterns: tuple[str, ...]) -> None:
    source = next((place for place in sources if any(place.glob(marker))), None)
    for pattern in patterns if source is not None else ():
        for path in sorted(source.glob(pattern)):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)


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
        size = spec.bytes
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards
