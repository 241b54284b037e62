"""The `method` group: known keys, strategies (mappings with `_target_`), aliases and stacks."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.conf import conf_dir, parse, search_path
from harness.config import MethodConfig
from harness.edits.base import Edit
from harness.errors import ConfigError, suggest
from harness.methods.loading import load_object

_FRAME = {spec.name for spec in fields(MethodConfig)} - {"strategies", "edits"}


def preset_aliases(preset: Any) -> list[str]:
    """The plain values of a preset's file that its strategies refer to."""
    frame = {*_FRAME, "defaults"}
    return [n for n, value in preset.items() if n not in frame and not isinstance(value, dict)]


def is_edit(name: str, spec: dict[str, Any]) -> bool:
    """Does a mapping with `_target_` name an edit? Raises ConfigError where it names nothing."""
    kind = load_object(str(spec["_target_"]), f"method.{name}._target_")
    return isinstance(kind, type) and issubclass(kind, Edit)


def split_method(method: dict[str, Any]) -> MethodConfig:
    """Part a composed `method` mapping into its frame, its stack of strategies and its edits.

    A mapping with `_target_` is a strategy or an edit, addressed as `method.<name>.<parameter>`. A
    plain value is an alias that a preset's strategies refer to (`${method.ratio}`).
    """
    objects = {
        name: value
        for name, value in method.items()
        if isinstance(value, dict) and "_target_" in value
    }
    edits = {name: value for name, value in objects.items() if is_edit(name, value)}
    strategies = {name: value for name, value in objects.items() if name not in edits}
    frame = {name: value for name, value in method.items() if name in _FRAME}
    for name, value in method.items():
        if isinstance(value, dict) and name not in objects and name not in _FRAME:
            raise ConfigError(f"method.{name}: a strategy needs _target_: the path of its class")
    try:
        typed = OmegaConf.merge(OmegaConf.structured(MethodConfig), frame)
        result = OmegaConf.to_object(typed)
    except OmegaConfBaseException as error:
        line = str(error).splitlines()[0]
        raise ConfigError(f"method.{error.full_key}: {line}") from error
    result.strategies, result.edits = strategies, edits
    result.order = _order(result.order, list(strategies))
    return result


def _order(wanted: list[str], listed: list[str]) -> list[str]:
    """The stack's order, stated because mappings lose theirs on the way to the workers; empty
    where it is the alphabet's, so that a single strategy keeps its content key."""
    if wanted and sorted(wanted) != sorted(listed):
        told = ", ".join(listed) or "none"
        raise ConfigError(f"method.order={wanted}: name each strategy once; they are: {told}")
    order = wanted or listed
    return [] if order == sorted(listed) else order


def check_aliases(method: DictConfig, overrides: list[str]) -> None:
    """Raise ConfigError for a plain value that nothing reads: a key that no preset has, one that
    takes the place of a strategy, or one that was added."""
    added = {str(item.key_or_group) for item in parse(overrides) if item.is_add()}
    read = set(re.findall(r"\$\{method\.(\w+)\}", OmegaConf.to_yaml(method, resolve=False)))
    presets = {alias for path in _preset_files(overrides) for alias in preset_aliases(_raw(path))}
    known = presets - {name.removeprefix("method.") for name in added}
    for name in method:
        if name in _FRAME or name in read or isinstance(method._get_node(name), DictConfig):
            continue
        if name not in known or method._get_node(name) is None:
            near = suggest(str(name), sorted(read - _FRAME)) if read - {*_FRAME, name} else ""
            raise ConfigError(f"method.{name}: no strategy or edit of this method reads it{near}")
    for item in parse(overrides):
        group, _, name = str(item.key_or_group).partition(".")
        whole = group == "method" and name and "." not in name and name not in _FRAME
        if whole and item.is_delete():
            raise ConfigError(f"~method.{name}: choose a method without it, method=<name>")


def name_stack(composed: DictConfig, overrides: list[str]) -> None:
    """method=[a,b] is one method, 'a+b', with the strategies of both in this order, unless a name
    is given."""
    chosen = _stacked(overrides)
    named = any(item.key_or_group == "method.name" for item in parse(overrides))
    if len(chosen) > 1 and not named:
        composed.method.name = "+".join(chosen)


def check_stack(overrides: list[str]) -> None:
    """Raise ConfigError where two presets of method=[a,b] set one thing."""
    chosen = _stacked(overrides)
    stack, seen = f"method=[{','.join(chosen)}]", dict[str, str]()
    for option in chosen:
        for name, origin in _brought(option, overrides).items():
            other = seen.setdefault(name, origin)
            if other == origin:
                continue
            if name in _FRAME:
                raise ConfigError(f"{stack}: {other} and {origin} both set {name}; choose one")
            raise ConfigError(
                f"{stack}: {other} and {origin} both have the alias '{name}'; stack them in a file "
                "of your own in conf/method"
            )


def _stacked(overrides: list[str]) -> list[str]:
    """The presets of method=[a,b]; none where it is no list."""
    chosen: list[str] = []
    for item in parse(overrides):
        if item.key_or_group == "method":
            value = item.value()
            chosen = [str(name) for name in value] if isinstance(value, list) else []
            if isinstance(value, list) and not chosen:
                raise ConfigError("method=[]: choose at least one, for example method=seqft")
    return chosen


def _preset_files(overrides: list[str]) -> list[Path]:
    folders = [conf_dir(), *search_path(overrides)]
    return [path for folder in folders for path in sorted((folder / "method").glob("*.yaml"))]


def _raw(path: Path) -> dict[str, Any]:
    return OmegaConf.to_container(OmegaConf.load(path))  # type: ignore[return-value]


def _brought(option: str, overrides: list[str]) -> dict[str, str]:
    """Alias or frame key -> the preset that brings it, of a preset and of those it builds on."""
    files = {path.stem: path for path in reversed(_preset_files(overrides))}
    preset = _raw(files[option])
    found: dict[str, str] = {}
    for base in preset.get("defaults", []):
        if isinstance(base, str) and base != "_self_":
            found |= _brought(base, overrides)
    frame = {name: option for name in preset if name in _FRAME and name != "name"}
    return found | {name: found.get(name, option) for name in preset_aliases(preset)} | frame
