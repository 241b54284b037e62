"""What a bare `model.path` implies: an option of the `model` group, or another name; the family."""

import json
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from harness.config.choices import ModelKind
from harness.config.compose.remembered import chosen_options
from harness.config.places import option_files, parse, read_yaml
from harness.errors import DAMAGED

DEFAULT = "micro"  # chosen by nobody, or by name
SMALL_BYTES = 100e6  # of weights; what has less is trained like the embedded model


def with_own_model(overrides: list[str]) -> list[str]:
    """The overrides; where they name a model's place without a preset for it, with the option for a
    model of the user's, and where they set another hub id than the preset's, with the id's name:
    the base model of a chat model is not called by the latter's. Hydra must have been initialised.
    """
    given = {str(item.key_or_group): item for item in parse(overrides)}
    path = given["model.path"].value() if "model.path" in given else None
    if not isinstance(path, str):
        return overrides
    revision = given["model.revision"].value() if "model.revision" in given else None
    if "model.kind" not in given and _is_encoder_decoder(path, revision):
        overrides = [*overrides, f"model.kind={ModelKind.seq2seq}"]
    chosen = next((c for c in chosen_options(overrides) if c.startswith("model/")), "")
    if chosen == f"model/{DEFAULT}":
        written = str(given["model"].input_line) if "model" in given else None
        option = "own_small" if _is_small(Path(path)) else "own"
        return [*(word for word in overrides if word != written), f"model={option}"]
    if "model.name" in given or Path(path).is_dir() or path == _place(chosen, overrides):
        return overrides
    return [*overrides, f"model.name={named_after(path)}"]


def named_after(path: str) -> str:
    """The last part of a folder's path or of a hub id, of a file's without its ending; of a folder
    in the hub's cache the id's."""
    place = Path(path).absolute()
    if place.parent.name == "snapshots":
        return place.parents[1].name.rpartition("--")[2]
    return place.name.removesuffix(".gguf") or path


def _place(chosen: str, overrides: list[str]) -> str | None:
    """The path that a preset's file gives, as it is written there."""
    file = option_files("model", overrides).get(chosen.removeprefix("model/"))
    found: Any = {} if file is None else OmegaConf.to_container(read_yaml(file))
    return found.get("path") or found.get("model", {}).get("path")


def _is_encoder_decoder(path: str, revision: str | None) -> bool:
    """By the config.json of a folder or of the hub's cache; one that is not there or cannot be read
    is told of when the configuration is checked."""
    folder, name = Path(path), "config.json"
    try:
        file = folder / name if folder.is_dir() else _cached(path, name, revision)
        # A pipe would be waited for.
        still = file is not None and Path(file).is_file()
        told = json.loads(Path(file).read_text(encoding="utf-8")) if still else {}
    except DAMAGED:  # a name that is no hub id is a ValueError
        return False
    return isinstance(told, dict) and bool(told.get("is_encoder_decoder"))


def _cached(path: str, name: str, revision: str | None) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(path, name, revision=revision)
    return found if isinstance(found, str) else None


def _is_small(folder: Path) -> bool:
    files = [path for kind in ("safetensors", "bin") for path in folder.glob(f"*.{kind}")]
    return folder.is_dir() and sum(path.stat().st_size for path in files) < SMALL_BYTES
