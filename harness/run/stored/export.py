"""A stage of a run as a folder for other programs; a helper process writes the weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import ModelConfig, Quantization
from harness.errors import ConfigError, DataError, require, suggest
from harness.models.folders import is_adapter
from harness.models.hub import cached_file
from harness.run.stored.card import model_card
from harness.run.stored.runs import StoredRun
from harness.store.contents import Name
from harness.store.files import write_atomically
from harness.store.folders import appearing
from harness.store.helper import call
from harness.store.layout import CONVERTED, cache_place
from harness.store.store import Store

CARD = "README.md"
LAST = "last"


@dataclass(frozen=True)
class Exported:
    """What was written: the stage, bytes of weights, and whether an adapter is all there is."""

    stage: int
    bytes: int
    adapter: bool


def stage_of(run: StoredRun, word: str) -> int:
    """The stage that a word names: its number, the task that it trained, or `last`. Raises
    ConfigError."""
    stages = sorted({*run.models, *(cell.stage for cell in run.cells)} - {0})
    require(bool(stages), f"STAGE {word}: run {run.run} trained none")
    by_word = {str(stage): stage for stage in stages} | {LAST: stages[-1]}
    for cell in run.cells:
        if cell.trained_task is not None and cell.stage in stages:
            by_word[cell.trained_task] = cell.stage
    if word == "0":
        raise ConfigError("STAGE 0: is the initial model, which lies where it came from")
    if word not in by_word:
        names = [name for name in by_word if not name.isdigit() and name != LAST]
        told = f"{stages[0]} to {stages[-1]}, {LAST}, or a task"
        near = suggest(word, names) if names and not word.isdigit() else ""
        raise ConfigError(f"STAGE {word}: run {run.run} has no such stage; use {told}{near}")
    return by_word[word]


def export(
    store: Store, run: StoredRun, stage: int, out: Path, merged: bool, dtype: str | None
) -> Exported:
    """Write a stage into a folder that is not there or empty: whole or not at all. Raises
    ConfigError, or DataError where its weights cannot be read."""
    if out.exists():
        require(out.is_dir(), f"--out {out}: is a file; choose a folder")
        require(not any(out.iterdir()), f"--out {out}: is not empty; choose another folder")
    name = run.model_of(store, stage)
    if name is None or not store.done(*name):
        raise ConfigError(f"STAGE {stage}: run {run.run} has not made it yet, or it is damaged")
    if store.dropped(*name):
        raise ConfigError(
            f"STAGE {stage}: its weights were dropped (store.keep); a command that needs them "
            "trains it again"
        )
    folder, model = store.path(*name), model_config(store, name)
    base, adapter = base_folder(store, model), is_adapter(folder)
    if adapter and merged:
        _require_mergeable(model, base, stage)
    request: dict[str, Any] = {"folder": str(folder), "base": str(base) if base else None}
    request |= {"merged": merged, "dtype": dtype}
    with appearing(out) as working:
        doing = f"exporting stage {stage} of run {run.run}"
        told = call("harness.models.exported", request | {"out": str(working)}, doing)
        only_adapter = adapter and not merged
        card = model_card(store, run, stage, name, model, only_adapter)
        write_atomically(working / CARD, card)
    return Exported(stage, told["bytes"], only_adapter)


def base_folder(store: Store, model: dict[str, Any]) -> Path | None:
    """Where the base model of a node lies: in its folder, in the cache of this store (which may
    have moved) or in that of the hub; None where it is in none."""
    path = Path(model["path"])
    for place in (path, cache_place(store.root, CONVERTED) / path.name):
        if place.is_dir():
            return place
    config = ModelConfig(name=model["name"], path=model["path"], revision=model.get("revision"))
    found = cached_file(config, "config.json") if not path.is_absolute() else None
    return found.parent if found else None


def model_config(store: Store, name: Name) -> dict[str, Any]:
    """The section `model` of the configuration that made a node."""
    try:
        return store.manifest(*name)["config"]["model"]
    except LookupError:
        raise DataError(f"{store.path(*name)}: its manifest names no model") from None


def _require_mergeable(model: dict[str, Any], base: Path | None, stage: int) -> None:
    if model.get("quantization", "none") != Quantization.none:
        raise ConfigError(
            f"STAGE {stage}: its adapter was trained on weights in {model['quantization']}, merged "
            "into others it is another model; leave --merged out"
        )
    if base is None:
        raise ConfigError(
            f"STAGE {stage}: its base model {model['path']} is not here; fetch it "
            "(`python -m harness prefetch`), or leave --merged out"
        )
