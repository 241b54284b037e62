"""Models of the Hugging Face hub: what is cached, what the hub has, fetching the difference.

Most of huggingface_hub is imported where it is needed: a model in a folder needs none of it.
"""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from harness.config import ModelConfig
from harness.errors import ConfigError
from harness.models.folders import TOKENIZER_FILES, is_pickled, require_readable
from harness.models.gguf.converted import is_gguf

OVERRIDES = "<the same overrides>"
PREFETCH = f"where there is network, run: python -m harness prefetch {OVERRIDES}"
PLACE = "model.path"
_WEIGHTS = (
    ("model.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
# What a model says of itself, in a few kilobytes.
_DESCRIBING = ("config.json", "tokenizer_config.json", *_TEMPLATES)
_KEPT = (".json", ".model", ".txt", ".jinja", ".tiktoken", ".py")


@dataclass(frozen=True)
class Files:
    """The files of a model that a run reads: their bytes in all, and of those still to fetch."""

    names: list[str]
    total: int
    to_fetch: int
    commit: str


def is_hub(model: ModelConfig) -> bool:
    """True where model.path is no folder and no GGUF file, so that the model comes from the hub."""
    return not (is_gguf(model.path) or Path(model.path).is_dir())


def is_offline() -> bool:
    """True where the environment forbids the network (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)."""
    return bool(constants.HF_HUB_OFFLINE)


def cached_file(model: ModelConfig, name: str) -> Path | None:
    """A file of a hub model in the local cache, without asking the network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model.path, name, revision=model.revision)
    return Path(found) if isinstance(found, str) else None


def cached_description(model: ModelConfig) -> dict[str, Any] | None:
    """The cached config.json of a hub model."""
    path = cached_file(model, "config.json")
    return None if path is None else json.loads(path.read_text(encoding="utf-8"))


def require_chat_template(model: ModelConfig) -> None:
    """Raise ConfigError where prompts are to go into a template that the tokenizer, as far as its
    files are here, does not have."""
    about = _own_file(model, "tokenizer_config.json")
    if not model.chat_template or about is None:
        return
    try:
        told = json.loads(about.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"model.path: {about} is not valid JSON ({error})") from error
    if not told.get("chat_template") and not any(_own_file(model, name) for name in _TEMPLATES):
        raise ConfigError(
            f"model.chat_template=true: the tokenizer of {model.path} has no chat template, as "
            "those of base models; use an instruction-tuned model, or model.chat_template=false"
        )


def _own_file(model: ModelConfig, name: str) -> Path | None:
    """A file of a model, in its folder or in the cache of the hub."""
    if is_hub(model):
        return cached_file(model, name)
    path = Path(model.path) / name
    return path if path.is_file() else None


def missing_files(model: ModelConfig) -> list[str]:
    """What a run cannot do without and the cache does not hold; empty: it runs offline."""
    missing = [] if cached_file(model, "config.json") else ["config.json"]
    if not any(cached_file(model, name) for name in TOKENIZER_FILES):
        missing.append(TOKENIZER_FILES[0])
    return missing + _missing_weights(model)


def _missing_weights(model: ModelConfig) -> list[str]:
    for single, index in _WEIGHTS:
        if cached_file(model, single):
            return []
        listed = cached_file(model, index)
        if listed:
            shards = sorted(set(json.loads(listed.read_text())["weight_map"].values()))
            return [name for name in shards if not cached_file(model, name)]
    return [_WEIGHTS[0][0]]


def require_model(model: ModelConfig, place: str = PLACE) -> None:
    """Raise ConfigError where a hub model is neither cached nor to be had from the hub; `place`
    is the key that names it, here as below."""
    missing = missing_files(model)
    if missing and is_offline():
        raise ConfigError(
            f"{_named(model, place)} is not in the cache {constants.HF_HUB_CACHE} (no "
            f"{', '.join(missing[:3])}) and HF_HUB_OFFLINE is set; {PREFETCH}"
        )
    if missing:
        hub_files(model, place)


def hub_files(model: ModelConfig, place: str = PLACE) -> Files:
    """Ask the hub for a model's files. Raises ConfigError: no such model or revision, no right to
    it, no network."""
    from huggingface_hub import errors, snapshot_download

    _quiet_off_terminals()
    try:
        listed = snapshot_download(model.path, revision=model.revision, dry_run=True)
    except errors.RevisionNotFoundError:
        raise ConfigError(
            f"{_named(model, place)}: the hub has no revision {model.revision or 'main'}"
        ) from None
    except (errors.DryRunError, errors.HfHubHTTPError, errors.LocalEntryNotFoundError) as error:
        raise ConfigError(_unavailable(model, place, error)) from None
    names = [item.filename for item in listed]
    require_readable(names, _named(model, place))
    wanted = set(choose_files(names))
    chosen = [item for item in listed if item.filename in wanted]
    return Files(
        names=sorted(wanted),
        total=sum(item.file_size or 0 for item in chosen),
        to_fetch=sum(item.file_size or 0 for item in chosen if item.will_download),
        commit=listed[0].commit_hash if listed else "",
    )


def choose_files(names: list[str]) -> list[str]:
    """The files that loading a model and its tokenizer reads: no second copy of the weights in
    another format, nothing from sub-folders."""
    flat = [name for name in names if "/" not in name and not name.startswith("consolidated")]
    weights = [name for name in flat if name.endswith(".safetensors")]
    weights = weights or [name for name in flat if is_pickled(name)]
    return sorted({*weights, *(name for name in flat if name.endswith(_KEPT))})


def fetch(model: ModelConfig, files: Files, place: str = PLACE) -> None:
    """Bring the files into the cache; what arrived of an interrupted call is kept."""
    from huggingface_hub import errors, snapshot_download

    _quiet_off_terminals()
    try:
        snapshot_download(model.path, revision=model.revision, allow_patterns=files.names)
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise ConfigError(_unavailable(model, place, error)) from None


def fetch_description(model: ModelConfig, place: str = PLACE) -> None:
    """Bring what a hub model says of itself into the cache. Raises ConfigError."""
    files = hub_files(model, place)
    names = [name for name in files.names if name in _DESCRIBING]
    fetch(model, replace(files, names=names), place)


def _quiet_off_terminals() -> None:
    """The hub library's bars are for terminals; elsewhere one line per model has to do."""
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()


def _named(model: ModelConfig, place: str) -> str:
    at = f" at {model.revision}" if model.revision else ""
    return f"{place}: {model.path}{at}"


def _unavailable(model: ModelConfig, place: str, error: BaseException) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    named = _named(model, place)
    while error.__cause__ is not None and not isinstance(error, RepositoryNotFoundError):
        error = error.__cause__
    if isinstance(error, GatedRepoError):
        return f"{named} is gated; accept its terms on the hub and set HF_TOKEN"
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"{named}: there is no such folder, and the hub has no such model "
            "(for a private one set HF_TOKEN)"
        )
    reason = " ".join(str(error).split()) or type(error).__name__
    return (
        f"{named} is not cached and {constants.ENDPOINT} cannot be reached "
        f"({reason[:120]}); {PREFETCH}"
    )
