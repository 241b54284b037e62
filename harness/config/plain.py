"""Dataclasses as plain JSON and back, and the part of them that changes results."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from harness.config.fields import is_neutral
from harness.config.parts import named_identity, part_identity
from harness.config.root import HarnessConfig


def from_plain(data: dict[str, Any]) -> HarnessConfig:
    """Rebuild a configuration from the plain JSON that `plain` makes of it."""
    return typed(HarnessConfig, data)


def plain(value: Any) -> Any:
    """Dataclasses, enums and paths as plain JSON values.

    A class that has a `kind` (a class variable) tells it, so that `typed` finds the class again.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        own = {"kind": type(value).kind} if _has_kind(type(value)) else {}
        return own | {spec.name: plain(getattr(value, spec.name)) for spec in fields(value)}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def typed(kind: Any, data: Any) -> Any:
    """The value of a type that `plain` made `data` of: dataclasses, enums, paths and containers of
    them. Of several dataclasses (a union) it is the one whose `kind` the data tells, else the one
    that has a field of this name. Keys that a dataclass does not have are passed over."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if data is None else typed(_member(inner, data), data)
    if is_dataclass(kind):
        hints = _hints(kind)
        given = {s.name: typed(hints[s.name], data[s.name]) for s in fields(kind) if s.name in data}
        return kind(**given)
    if origin is dict:
        return {name: typed(inner[1], item) for name, item in data.items()}
    if origin in (list, tuple, Sequence):
        return (list if origin is list else tuple)(typed(inner[0], item) for item in data)
    if isinstance(kind, type) and issubclass(kind, Enum | Path | float):
        return kind(data)
    return data


def _member(kinds: tuple[Any, ...], data: Any) -> Any:
    """The type of a union that a value is of."""
    known = [kind for kind in kinds if kind is not type(None)]
    if len(known) == 1 or not isinstance(data, dict):
        return known[0] if len(known) == 1 else Any
    named = [kind for kind in known if _has_kind(kind) and kind.kind == data.get("kind")]
    unnamed = [kind for kind in known if is_dataclass(kind) and not _has_kind(kind)]
    return (named + unnamed + [Any])[0]


def _has_kind(kind: Any) -> bool:
    return hasattr(kind, "kind") and all(spec.name != "kind" for spec in fields(kind))


_hints = cache(get_type_hints)


def identity_of(record: Any, kind: str) -> dict[str, Any]:
    """The fields of a dataclass that change the result of one kind of work: those of a config
    section that are marked with the kind, those of a record that are marked as identity.

    Fields at their default are left out, so that a key that is added later does not invalidate
    what is already stored.
    """
    found: dict[str, Any] = {}
    kind = getattr(type(record), "marks", kind)  # sections of the configuration have their own
    for spec in fields(record):
        marks, value = spec.metadata["identity"], getattr(record, spec.name)
        if (marks is True or (marks and kind in marks)) and not is_neutral(spec, value):
            part = spec.metadata["part"]
            found[spec.name] = named_identity(value, spec.name, part) if part else _is(value, kind)
    return found


def _is(value: Any, kind: str) -> Any:
    if is_dataclass(value):
        return identity_of(value, kind)
    if isinstance(value, list | tuple):
        return [_is(item, kind) for item in value]
    return plain(value)


def plain_identity(strategy: Any) -> dict[str, Any]:
    """What a strategy, an edit or an objective is, its version unless it is the first, and its
    parameters that differ from their defaults, places of files left out (a plan adds their
    content).

    A parameter that names another part or a function of the user's enters as that part.
    """
    kind = strategy.part_kind
    found: dict[str, Any] = {"class": part_identity(type(strategy), kind)}
    if strategy.version > 1:
        found["version"] = strategy.version
    for spec in fields(strategy):
        value = getattr(strategy, spec.name)
        hidden = not spec.init or spec.name in strategy.file_parameters
        if hidden or is_neutral(spec, value):
            continue
        found[spec.name] = plain(value)
        if spec.name in strategy.code_parameters:
            found[spec.name] = named_identity(value, spec.name, kind)
        elif isinstance(value, dict) and "_target_" in value:
            inner = named_identity(str(value["_target_"]), spec.name, kind)
            found[spec.name] |= {"_target_": inner}
    return found
