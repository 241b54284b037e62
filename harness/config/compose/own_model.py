"""The option of the `model` group that a bare `model.path` stands for."""

from pathlib import Path

from harness.config.compose.search_path import chosen_options
from harness.config.places import parse

DEFAULT = "model/micro"  # chosen by nobody, or by name
SMALL_BYTES = 100e6  # of weights; what has less is trained like the embedded model


def with_own_model(overrides: list[str]) -> list[str]:
    """The overrides, and where they name a model's place without a preset for it, the option for a
    model of the user's. Hydra must have been initialised."""
    given = {str(item.key_or_group): item for item in parse(overrides)}
    path = given["model.path"].value() if "model.path" in given else None
    if not isinstance(path, str) or DEFAULT not in chosen_options(overrides):
        return overrides
    option = "own_small" if _is_small(Path(path)) else "own"
    chosen = str(given["model"].input_line) if "model" in given else None
    return [*(word for word in overrides if word != chosen), f"model={option}"]


def named_after(path: str) -> str:
    """The last part of a folder's path or of a hub id; of a folder in the hub's cache the id's."""
    place = Path(path).absolute()
    if place.parent.name == "snapshots":
        return place.parents[1].name.rpartition("--")[2]
    return place.name or path


def _is_small(folder: Path) -> bool:
    files = [path for kind in ("safetensors", "bin") for path in folder.glob(f"*.{kind}")]
    return folder.is_dir() and sum(path.stat().st_size for path in files) < SMALL_BYTES
