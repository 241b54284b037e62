"""From a mapping with `_target_` to a typed object; imports no torch."""

from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config.parts import Part, load_part
from harness.errors import ConfigError, HarnessError, kind_and_line, suggest

Loaded = TypeVar("Loaded", bound=Part)


def load_typed(spec: dict[str, Any], base: type[Loaded], where: str) -> Loaded:
    """An object of a subclass of `base` from {"_target_": name or path, parameter: value}.

    Raises ConfigError, beginning with `where` (the key that holds the mapping), for another class,
    an unknown parameter, a value of a wrong type or an error of the class itself.
    """
    kind = load_class(spec, base, where)
    parameters = {key: value for key, value in spec.items() if key != "_target_"}
    for field in fields(kind):
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        if field.init and not has_default and field.name not in parameters:
            raise ConfigError(f"{where}.{field.name}: no value; {kind.__name__} has no default")
    try:
        typed = OmegaConf.merge(OmegaConf.structured(kind), parameters)
        return kind(**{key: _unwrapped(typed[key]) for key in parameters})
    except OmegaConfBaseException as error:
        line = str(error).splitlines()[0]
        raise ConfigError(f"{where}.{error.full_key}: {line}") from error
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}") from error
    except HarnessError:
        raise
    except Exception as error:  # a user's own class may fail with anything
        told = f"{kind.__name__} cannot be made ({kind_and_line(error)})"
        raise ConfigError(f"{where}: {told}") from error


def load_class(spec: dict[str, Any], base: type[Loaded], where: str) -> type[Loaded]:
    """The class that a mapping names, a dataclass below `base` that knows all its parameters.

    Raises ConfigError, beginning with `where`.
    """
    target = str(spec["_target_"])
    kind = load_part(target, f"{where}._target_", base.part_kind)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise ConfigError(f"{where}._target_: {target} is not a subclass of {base.__name__}")
    if not is_dataclass(kind):
        raise ConfigError(f"{where}._target_: {target} is not a dataclass")
    known = [field.name for field in fields(kind) if field.init]
    for key in spec:
        if key not in known and key != "_target_":
            told = f"{where}.{key}: {kind.__name__} has no such parameter"
            raise ConfigError(told + suggest(key, known))
    return kind


def _unwrapped(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
