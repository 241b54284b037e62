"""The configuration as plain JSON and back, and the part of it that changes results."""

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from harness.config import is_neutral
from harness.config.parts import named_identity, part_identity
from harness.config.root import HarnessConfig


def from_plain(data: dict[str, Any]) -> HarnessConfig:
    """Rebuild a configuration from the plain JSON that `plain` makes of it."""
    from omegaconf import OmegaConf

    typed = OmegaConf.merge(OmegaConf.structured(HarnessConfig), data)
    return OmegaConf.to_object(typed)  # type: ignore[return-value]


def plain(value: Any) -> Any:
    """Dataclasses and enums as plain JSON values."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {spec.name: plain(getattr(value, spec.name)) for spec in fields(value)}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def identity(config: Any, kind: str) -> dict[str, Any]:
    """The fields of a config dataclass that change the result of one kind of node.

    Fields at their default are left out, so that a key that is added later does not invalidate
    what is already stored.
    """
    found: dict[str, Any] = {}
    for spec in fields(config):
        value = getattr(config, spec.name)
        if kind in spec.metadata["identity"] and not is_neutral(spec, value):
            part = spec.metadata["part"]
            found[spec.name] = named_identity(value, spec.name, part) if part else plain(value)
    return found


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
