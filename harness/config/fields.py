"""A field of the configuration: its help text, and which content keys it enters."""

from collections.abc import Callable
from dataclasses import MISSING, field
from typing import Any

from harness.config.parts import Kind

TRAIN = ("train",)
EVAL = ("eval",)
BOTH = ("train", "eval")
JUDGE = ("judge",)


def key(
    help: str,
    default: Any = MISSING,
    *,
    factory: Callable[[], Any] | Any = MISSING,
    identity: tuple[str, ...] = (),
    part: Kind | None = None,
) -> Any:
    """A config field with its help text and the kinds of node whose content key it enters.

    part: what it names is a part of this kind, which has an identity of its own.
    """
    metadata = {"help": help, "identity": identity, "part": part}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def is_neutral(spec: Any, value: Any) -> bool:
    """True where a field holds its default, so that leaving it out keeps older keys valid."""
    if spec.default is not MISSING:
        return bool(spec.default != "???" and value == spec.default)
    return bool(spec.default_factory is not MISSING and value == spec.default_factory())
