"""The `method` group: known keys, strategies (mappings with `_target_`), aliases and stacks."""

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from harness.config import MethodConfig
from harness.config.parts import Kind, Part, load_part
from harness.config.places import config_folders, option_files, parse, read_yaml
from harness.errors import ConfigError, suggest

_FRAME = {spec.name for spec in fields(MethodConfig)} - {"strategies", "edits"}


def preset_aliases(preset: Any) -> list[str]:
    """The plain values of a preset's file that its strategies refer to."""
    frame = {*_FRAME, "defaults"}
    return [n for n, value in preset.items() if n not in frame and not isinstance(value, dict)]


def is_edit(name: str, spec: dict[str, Any]) -> bool:
    """Does a mapping with `_target_` name an edit? Raises ConfigError where it names nothing."""
    part = load_part(str(spec["_target_"]), f"method.{name}._target_", Kind.strategy, Kind.edit)
    return isinstance(part, type) and issubclass(part, Part) and part.part_kind is Kind.edit


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
            raise ConfigError(f"method.{name}: a strategy needs _target_, its name or its path")
    try:
        typed = OmegaConf.merge(OmegaConf.structured(MethodConfig), frame)
        result: Any = OmegaConf.to_object(typed)
    except OmegaConfBaseException as error:
        line = str(error).splitlines()[0]
        raise ConfigError(f"method.{error.full_key}: {line}") from error
    order = _order(result.order, list(strategies))
    return replace(result, strategies=strategies, edits=edits, order=order)


def _order(wanted: list[str], listed: list[str]) -> list[str]:
    """The stack's order, stated because mappings lose theirs on the way to the workers; empty
    where it is the alphabet's, so that a single strategy keeps its content key."""
    if wanted and sorted(wanted) != sorted(listed):
        told = ", ".join(listed) or "none"
        raise ConfigError(f"method.order={wanted}: name each strategy once; they are: {told}")
    order = wanted or listed
    return [] if order == sorted(listed) else order


def check_parts(method: DictConfig, overrides: list[str]) -> None:
    """Raise ConfigError where overrides leave less of a method than its name says, or set what
    nothing reads: a plain value that no preset has, that was added, or that is no mapping now."""
    given = {str(item.key_or_group): item for item in parse(overrides)}
    for key, item in given.items():
        part = re.fullmatch(r"method\.(\w+)", key)
        if part and item.is_delete() and part[1] not in _FRAME:
            raise ConfigError(f"~{key}: choose a method without it, method=<name>")
    text = OmegaConf.to_yaml(method, resolve=False)
    read = set(re.findall(r"\$\{(?:method\.|\.+)(\w+)\}", text))
    for name in method:
        value = method._get_node(name)
        if name in _FRAME or name in read or isinstance(value, DictConfig):
            continue
        item = given.get(f"method.{name}")
        added = item is not None and (item.is_add() or item.is_force_add())
        if added or value is None or name not in _aliases(overrides):
            near = suggest(str(name), sorted(read - _FRAME)) if read - {*_FRAME, name} else ""
            raise ConfigError(f"method.{name}: no strategy or edit of this method reads it{near}")


def _aliases(overrides: list[str]) -> set[str]:
    """The aliases of all presets; a file that cannot be read has none here."""
    found: set[str] = set()
    for folder in config_folders(overrides):
        for path in (folder / "method").rglob("*.yaml"):
            try:
                found |= set(preset_aliases(_raw(path)))
            except (AttributeError, OSError, YAMLError, OmegaConfBaseException):
                continue
    return found


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


def _raw(path: Path) -> dict[str, Any]:
    return OmegaConf.to_container(read_yaml(path))  # type: ignore[return-value]


def _brought(option: str, overrides: list[str]) -> dict[str, str]:
    """Alias or frame key -> the preset that brings it, of a preset and of those it builds on."""
    file = option_files("method", overrides).get(option.removesuffix(".yaml"))
    if file is None:
        return {}
    preset = _raw(file)
    found: dict[str, str] = {}
    for base in preset.get("defaults", []):
        if isinstance(base, str) and base != "_self_":
            found |= _brought(base, overrides)
    frame = {name: option for name in preset if name in _FRAME and name != "name"}
    return found | {name: found.get(name, option) for name in preset_aliases(preset)} | frame
