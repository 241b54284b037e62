"""A section of the configuration and its fields: help texts, and which content keys they enter."""

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, field
from typing import Any, get_args

from harness.config.choices import Choice
from harness.config.parts import Kind

TRAIN = ("train",)
EVAL = ("eval",)
BOTH = ("train", "eval")
JUDGE = ("judge",)


class Section:
    """Base of the configuration's dataclasses, which are frozen: `replace` makes another one.

    Not by `dataclass(frozen=True)`: the nodes that OmegaConf makes of such a class are read-only as
    well, and no file could be merged into them.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        """A field is set once, when the object is made. Raises FrozenInstanceError."""
        if name in vars(self):
            raise FrozenInstanceError(f"cannot assign to field '{name}'; use dataclasses.replace")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field '{name}'")


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


def help_of(spec: Field[Any]) -> str:
    """A field's help text; behind it, where its values are a closed set of words, all of them."""
    told = spec.metadata["help"]
    kinds = [kind for kind in (spec.type, *get_args(spec.type)) if isinstance(kind, type)]
    listed = [kind.listed() for kind in kinds if issubclass(kind, Choice)]
    return ": ".join(filter(None, (told, *listed)))
