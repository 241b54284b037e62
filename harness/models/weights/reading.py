"""Read the tensors of a model folder one at a time; no more than the tensor asked for is held."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.errors import DataError
from harness.models.weights.headers import TensorSpec, read_specs
from harness.models.weights.tensor_file import read_tensor

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = "config.json"


class Checkpoint:
    """The weights of one folder, in one file or in shards, by name.

    Raises DataError for a folder without safetensors weights, or with quantised ones.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = require_folder(folder)
        self.config = read_json(folder / CONFIG)
        if "quantization_config" in self.config:
            raise DataError(f"{folder}: its weights are quantised; give the unquantised model")
        self.files: dict[str, Path] = {}
        self.specs: dict[str, TensorSpec] = {}
        for path in _weight_files(folder):
            for name, spec in read_specs(path).items():
                self.files[name] = path
                self.specs[name] = spec
        for name, spec in self.specs.items():
            if spec.dtype.startswith("F") and not spec.floating:
                raise DataError(f"{folder}: {name} is {spec.dtype}, a quantised type")

    def read(self, name: str) -> Tensor:
        """One tensor in its stored type, on the CPU."""
        return read_tensor(self.files[name], name)

    @cached_property
    def warnings(self) -> list[str]:
        """What the user should know about this model; nothing for a plain folder."""
        return []


def require_folder(folder: Path) -> Path:
    """The folder itself. Raises DataError where there is none."""
    if not folder.is_dir():
        hub = "; a model of the hub has to be downloaded first (hf download ... --local-dir FOLDER)"
        raise DataError(f"{folder}: there is no such folder{'' if folder.is_absolute() else hub}")
    return folder


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a model folder. Raises DataError where it is missing or malformed."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path.parent}: holds no {path.name}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds a {type(found).__name__}; a JSON object is needed")
    return found


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        pickled = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))
        found = f"; {pickled[0].name} is a pickle, which is not read" if pickled else ""
        raise DataError(
            f"{folder}: holds no {WEIGHTS} and no {INDEX}{found}; "
            "transformers' save_pretrained writes them"
        )
    shards = read_json(folder / INDEX).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(n, str) for n in shards.values()):
        raise DataError(f"{folder / INDEX}: has no weight_map of names to files")
    names = sorted(set(shards.values()))
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise DataError(f"{folder / INDEX}: '{name}' is no safetensors file beside it")
    files = [folder / name for name in names]
    for path in files:
        if not path.is_file():
            raise DataError(f"{folder}: {path.name}, which {INDEX} names, is missing")
    return files
