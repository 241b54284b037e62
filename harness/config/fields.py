"""Sections of the configuration, and fields that say what they are for: of sections, and of records
of work."""

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, field
from inspect import get_annotations
from typing import Any, ClassVar, get_args, get_origin

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
    """A config field with its help text and the kinds of work whose content key it enters.

    part: what it names is a part of this kind, which has an identity of its own.
    """
    return _marked({"help": help, "identity": identity, "part": part}, default, factory)


def identity(default: Any = MISSING, *, factory: Callable[[], Any] | Any = MISSING) -> Any:
    """A field of a record that can change results: it enters the content key, but for its default,
    so that a field that is added later leaves older keys as they are."""
    return _marked({"identity": True, "part": None}, default, factory)


def detail(default: Any = MISSING, *, factory: Callable[[], Any] | Any = MISSING) -> Any:
    """A field of a record that changes no result, such as where a file lies."""
    return _marked({"identity": False, "part": None}, default, factory)


def _marked(metadata: dict[str, Any], default: Any, factory: Any) -> Any:
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


class Record:
    """Base of dataclasses from which content keys are derived: every field is marked `identity()`
    or `detail()`; a class with a field that is neither raises TypeError when it is made."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, kind in get_annotations(cls).items():
            marked = vars(cls).get(name)
            if kind is ClassVar or get_origin(kind) is ClassVar:
                continue
            if not (isinstance(marked, Field) and "identity" in marked.metadata):
                raise TypeError(f"{cls.__name__}.{name}: mark it identity() or detail()")


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
