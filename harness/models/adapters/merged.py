"""A LoRA adapter (a PEFT folder) on its base, read like a full model: W + scaling * B A."""

import math
import re
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.errors import DataError
from harness.models.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from harness.models.weights.headers import TensorSpec, read_specs
from harness.models.weights.reading import Checkpoint, read_json, require_folder
from harness.models.weights.tensor_file import read_tensor

_KEY = re.compile(
    r"(?:base_model\.model\.)?(?P<module>.+?)\."
    r"(?P<part>lora_A\.weight|lora_B\.weight|lora_embedding_[AB]|(?:base_layer\.)?(?:weight|bias))"
)
# What changes the base beyond B A, or the base itself, cannot be added to the base's weights.
_UNSUPPORTED = ("use_dora", "lora_bias", "target_parameters", "layer_replication", "alora_config")
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


class AdaptedCheckpoint:
    """Same interface as `Checkpoint`. Touched matrices come in float32, the rest as stored.

    Raises DataError for adapters other than plain LoRA, and where the base lacks a module.
    """

    def __init__(self, base: Checkpoint, folder: Path) -> None:
        self.base = base
        self.folder = require_folder(folder)
        self.adapter = read_json(folder / ADAPTER_CONFIG)
        _require_plain_lora(folder, self.adapter)
        self.file = folder / ADAPTER_WEIGHTS
        self.parts = _parts(self.file, base)
        self.specs: dict[str, TensorSpec] = base.specs
        self.config = base.config

    def read(self, name: str) -> Tensor:
        """The merged tensor: the base's, or what replaces it, plus the adapter's product."""
        parts = self.parts.get(name, {})
        whole = parts.get("weight")
        tensor = read_tensor(self.file, whole) if whole else self.base.read(name)
        return tensor.float() + self._delta(name, parts) if "A" in parts else tensor

    @property
    def warnings(self) -> list[str]:
        """A line where the adapter names another base than the one given."""
        told = self.adapter.get("base_model_name_or_path")
        if not told or _same_model(str(told), self.base.folder):
            return []
        return [f"{self.folder}: was trained on {told}, not on {self.base.folder}"]

    def _delta(self, name: str, parts: dict[str, str]) -> Tensor:
        a = read_tensor(self.file, parts["A"]).float()
        b = read_tensor(self.file, parts["B"]).float()
        delta = (b @ a) * _scaling(self.adapter, name, a.shape[0])
        transposed = self.adapter.get("fan_in_fan_out") or "embedding" in parts["A"]
        delta = delta.T if transposed else delta
        expected = self.specs[name].shape
        if tuple(delta.shape) != expected:
            raise DataError(
                f"{self.folder}: its update of {name} has shape {tuple(delta.shape)}, "
                f"the base's weight {expected}"
            )
        return delta


def adapted_checkpoint(base: Checkpoint, folder: Path) -> AdaptedCheckpoint | None:
    """None for an adapter that cannot be read tensor by tensor: peft merges more kinds of them, and
    says what is wrong with those that nobody can."""
    try:
        return AdaptedCheckpoint(base, folder)
    except DataError:
        return None


def _require_plain_lora(folder: Path, adapter: dict[str, Any]) -> None:
    kind = adapter.get("peft_type")
    if kind != "LORA":
        raise DataError(f"{folder}: peft_type is {kind}; only LORA adapters are read")
    for key in ("r", "lora_alpha"):
        if not isinstance(adapter.get(key), int | float) or not adapter[key] > 0:
            raise DataError(
                f"{folder}: {ADAPTER_CONFIG} has {key}={adapter.get(key)}; a positive number is "
                "needed"
            )
    for key in _UNSUPPORTED:
        if adapter.get(key):
            raise DataError(
                f"{folder}: {ADAPTER_CONFIG} sets {key}, which is more than W + scaling * B A; "
                "merge the adapter with peft and give the merged folder"
            )
    start = str(adapter.get("init_lora_weights", "")).lower()
    if start.startswith(_CHANGES_BASE):
        raise DataError(
            f"{folder}: init_lora_weights={start} changed the base's weights; merge the adapter "
            "with peft and give the merged folder"
        )


def _parts(file: Path, base: Checkpoint) -> dict[str, dict[str, str]]:
    """Base weight -> {"A", "B" or "weight": key in the adapter's file}."""
    if not file.is_file():
        raise DataError(f"{file.parent}: holds no {ADAPTER_WEIGHTS}")
    found: dict[str, dict[str, str]] = {}
    for key, spec in read_specs(file).items():
        match = _KEY.fullmatch(key)
        if match is None or len(spec.shape) > 2:
            raise DataError(f"{file}: {key} is not a factor of a linear layer or an embedding")
        part = match["part"]
        whole = part.rpartition(".")[2]
        is_factor = part.startswith("lora_")
        name = f"{match['module']}.{'weight' if is_factor else whole}"
        if name not in base.specs:
            raise DataError(f"{file.parent}: adapts {name}, which {base.folder} does not store")
        if not is_factor and spec.shape != base.specs[name].shape:
            raise DataError(
                f"{file.parent}: {name} has shape {spec.shape}, in {base.folder} it has "
                f"{base.specs[name].shape}"
            )
        role = part.removesuffix(".weight")[-1] if is_factor else "weight"
        found.setdefault(name, {})[role] = key
    for name, parts in found.items():
        if ("A" in parts) != ("B" in parts):
            raise DataError(f"{file}: {name} has one of the factors A and B only")
    return found


def _scaling(adapter: dict[str, Any], name: str, rank: int) -> float:
    """alpha / r, or alpha / sqrt(r) (rsLoRA, arXiv 2312.03732), with PEFT's patterns by module."""
    alpha = adapter["lora_alpha"]
    if patterns := adapter.get("alpha_pattern"):
        from peft.utils.other import get_pattern_key

        module = name.removesuffix(".weight")
        alpha = patterns.get(get_pattern_key(patterns, module), alpha)
    return alpha / (math.sqrt(rank) if adapter.get("use_rslora") else rank)


def _same_model(told: str, base: Path) -> bool:
    path = Path(told)
    if path.exists():
        return path.resolve() == base.resolve()
    return path.name == base.resolve().name
