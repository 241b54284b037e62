"""The helper process that writes a stage as a model folder for other programs
(`harness.run.stored.export`): weight by weight, under the names of the base model."""

import shutil
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.models.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS, is_adapter
from harness.models.weights.headers import TensorSpec
from harness.store.helper import answer

SHARD_BYTES = 5 * 10**9
TYPES = {"fp32": "F32", "bf16": "BF16"}
# What must agree where a stage takes over its base's config.json as it stands there.
_SIZES = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size")
_SIZES += ("d_model", "num_layers", "d_ff")  # by T5's words


def export(request: dict[str, Any]) -> dict[str, Any]:
    """Fill a folder with a stage: folder: where it lies; base: of its base model, null where that
    is not here; out: what to fill; merged: add an adapter to its base; dtype: fp32, bf16 or null =
    as stored, a merged model in fp32. Returns bytes and number of the files with weights. Raises
    DataError where the weights cannot be read."""
    folder, out = Path(request["folder"]), Path(request["out"])
    base = Path(request["base"]) if request["base"] else None
    dtype = TYPES[request["dtype"]] if request["dtype"] else None
    if is_adapter(folder) and not request["merged"]:
        return _adapter(folder, out, dtype)
    return _whole(folder, base, out, dtype)


def _adapter(folder: Path, out: Path, dtype: str | None) -> dict[str, Any]:
    from harness.models.weights.headers import read_specs
    from harness.models.weights.tensor_file import read_tensor, write_tensors
    from harness.models.weights.writing import copy_tokenizer

    file = folder / ADAPTER_WEIGHTS
    specs = _typed(read_specs(file), dtype)
    write_tensors(out / ADAPTER_WEIGHTS, specs, lambda name: read_tensor(file, name))
    shutil.copyfile(folder / ADAPTER_CONFIG, out / ADAPTER_CONFIG)
    copy_tokenizer([folder], out)
    return {"bytes": sum(spec.bytes for spec in specs.values()), "files": 1}


def _whole(folder: Path, base: Path | None, out: Path, dtype: str | None) -> dict[str, Any]:
    from harness.models.adapters.merged import AdaptedCheckpoint
    from harness.models.weights.reading import Checkpoint
    from harness.models.weights.writing import copy_companions, write_weights

    model: AdaptedCheckpoint | Checkpoint
    if is_adapter(folder):
        if base is None:
            raise DataError(f"{folder}: its base model is not here")
        model = AdaptedCheckpoint(Checkpoint(base), folder)
        dtype = dtype or "F32"  # rounding the sum would lose most of a small update
    else:
        model = Checkpoint(folder)
    specs = _typed(model.specs, dtype)
    files = write_weights(out, specs, model.read, SHARD_BYTES)
    sources = [base, folder] if base is not None and _same_shape(base, model.config) else [folder]
    copy_companions(sources, out, _main_type(specs))
    return {"bytes": sum(spec.bytes for spec in specs.values()), "files": files}


def _typed(specs: dict[str, TensorSpec], dtype: str | None) -> dict[str, TensorSpec]:
    """Weights in another type; integers stay."""
    if dtype is None:
        return specs
    return {n: TensorSpec(dtype, s.shape) if s.floating else s for n, s in specs.items()}


def _same_shape(base: Path, config: dict[str, Any]) -> bool:
    from harness.models.weights.reading import CONFIG, read_json

    theirs = read_json(base / CONFIG)
    return all(theirs.get(key) == config.get(key) for key in _SIZES)


def _main_type(specs: dict[str, TensorSpec]) -> str:
    """The type that most of the weights are in."""
    elements: dict[str, int] = {}
    for spec in specs.values():
        if spec.floating:
            elements[spec.dtype] = elements.get(spec.dtype, 0) + spec.size
    return max(elements, key=lambda kind: elements[kind])


if __name__ == "__main__":
    answer(export)
