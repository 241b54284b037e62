"""Public names of the parts that a configuration chooses: strategies, edits, scorers and others.

A word without a dot is a part of the harness or of a plug-in, found where parts of its kind live; a
dotted path is the user's own. No list is kept by hand: a strategy, an edit or a source is called
after its module, a scorer as its function, an objective as its class in snake case. So a file may
move without a content key changing. A path is followed only where `harness.config.allowed` lets it
be. Imports no torch.
"""

import hashlib
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from harness.config import plugins
from harness.config.allowed import require_allowed
from harness.errors import ConfigError, kind_and_line, suggest


class Kind(StrEnum):
    strategy = "strategy"
    edit = "edit"
    objective = "objective"
    scorer = "scorer"
    source = "source"


class Part:
    """Base of the classes that a configuration chooses by name: strategies, edits, objectives.
    Their parameters are the fields of a dataclass."""

    part_kind: ClassVar[Kind]
    abstract: ClassVar[bool] = True  # a base of parts, itself none; not inherited
    # Parameters that hold a data file's path or null: the file's content enters the content key.
    file_parameters: ClassVar[tuple[str, ...]] = ()
    # Parameters that hold the dotted path of a user's own function.
    code_parameters: ClassVar[tuple[str, ...]] = ()
    # Raised when what it computes changes, so that stored results of before are not taken for it.
    version: ClassVar[int] = 1


# Packages, whose modules are parts, and modules, which hold several parts each.
_PLACES = {
    Kind.strategy: ("harness.methods",),
    Kind.edit: ("harness.methods.edits",),
    Kind.objective: ("harness.train.objectives",),
    Kind.scorer: (
        "harness.scorers.tasks",
        "harness.scorers.reasoned",
        "harness.scorers.programs",
        "harness.data.micro.scorers",
    ),
    Kind.source: ("harness.evaluation.sources",),
}
# What holds parts of a kind inside a plug-in: a package or a module.
_IN_PLUGINS = {
    Kind.strategy: "methods",
    Kind.edit: "edits",
    Kind.objective: "objectives",
    Kind.scorer: "scorers",
    Kind.source: "sources",
}
_CALLED_AFTER_MODULE = (Kind.strategy, Kind.edit, Kind.source)
_SIGNATURES = {Kind.scorer: ["doc", "prediction"], Kind.source: ["folder", "shots"]}
_READ = "read"  # the reader that has its module's name


def places(kind: Kind) -> tuple[str, ...]:
    """The packages and modules in which parts of a kind have public names, plug-ins' last."""
    return (*_PLACES[kind], *plugins.modules(_IN_PLUGINS[kind]))


def names(*kinds: Kind) -> list[str]:
    """All public names of these kinds, in the order of the alphabet; imports all their modules."""
    return sorted(parts_by_name(*kinds))


def parts_by_name(*kinds: Kind, name: str | None = None) -> dict[str, list[Any]]:
    """Every public name of these kinds, or only `name`, and the parts that have it: one, unless a
    plug-in took a name that is taken."""
    found: dict[str, list[Any]] = {}
    for kind in kinds:
        for module in _modules(kind, name):
            for public, part in _parts_of(kind, module):
                if name in (None, public) and part not in found.setdefault(public, []):
                    found[public].append(part)
    return found


def load_part(name: str, where: str, *kinds: Kind) -> object:
    """The class or function that a public name or a dotted path means.

    Raises ConfigError, beginning with the key `where`, for a name that no part or more than one
    part of these kinds has, and for a path that cannot be imported.
    """
    if "." in name:
        return load_object(name, where)
    found = parts_by_name(*kinds, name=name).get(name, [])
    if len(found) > 1:
        both = " and ".join(f"{part.__module__}.{part.__qualname__}" for part in found)
        raise ConfigError(f"{where}: '{name}' may be {both}; say which by its dotted path")
    if not found:
        known = suggest(name, names(*kinds))
        told = f"{where}: there is no {' or '.join(kinds)} '{name}'{known}"
        raise ConfigError(told + plugins.broken())
    return found[0]


def load_object(path: str, where: str) -> object:
    """Import what a dotted path names. Raises ConfigError naming the key that holds it, for code
    that nobody allowed before anything is imported."""
    require_allowed(path, where)
    module, _, name = path.rpartition(".")
    try:
        loaded = importlib.import_module(module)
    except Exception as error:  # a user's own module may fail with anything
        told = kind_and_line(error)
        raise ConfigError(f"{where}: cannot import '{module}' ({told})") from error
    if not hasattr(loaded, name):
        public = [item for item in dir(loaded) if not item.startswith("_")]
        raise ConfigError(f"{where}: {module} has no '{name}'" + suggest(name, public))
    found = getattr(loaded, name)
    home = getattr(found, "__module__", None) or ""
    ours = _is_ours(home) if home else not inspect.ismodule(found)
    if _is_ours(module) and not ours:  # what our modules import is not on offer
        raise ConfigError(f"{where}: {path} is no part of the harness")
    return found


def python_path(name: str, where: str, kind: Kind) -> str:
    """The dotted path by which others (lm-eval) import a part; raises as `load_part`."""
    if "." in name:
        require_allowed(name, where)
        return name
    part: Any = load_part(name, where, kind)
    return f"{part.__module__}.{part.__qualname__}"


def named_identity(name: str, where: str, kind: Kind) -> str | dict[str, Any]:
    """What a part that the configuration names is in a content key; raises as `load_part`."""
    return part_identity(load_part(name, where, kind), kind, name)


def part_identity(part: Any, kind: Kind, path: str | None = None) -> str | dict[str, Any]:
    """What a class or function is in a content key.

    A part of the harness is its public name. Code of others is its name or dotted path and the
    sha256 of the files that define it (a class: those of its bases too). path: the one that
    found it, for objects that do not know theirs.
    """
    via = [path.rpartition(".")[0]] if path and "." in path else []
    home = getattr(part, "__module__", None) or "".join(via)
    name = _public_name(part, home, kind)
    if name and _is_ours(home):
        return name
    own = getattr(part, "__qualname__", None)
    name = name or (f"{home}.{own}" if own else str(path))
    return {"path": name, "source": _sources(part, {home, *via})}


def _public_name(part: Any, home: str, kind: Kind) -> str | None:
    if any(home == place or home.startswith(f"{place}.") for place in places(kind)):
        for public, known in _parts_of(kind, sys.modules[home]):
            if known is part:
                return public
    return None


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == __name__.partition(".")[0]


def _sources(part: Any, homes: set[str]) -> dict[str, str]:
    """Module -> sha256 of its file, of the code that is neither the harness's nor Python's."""
    modules = homes | {base.__module__ for base in getattr(part, "__mro__", ())}
    found = {}
    for name in sorted(modules):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and not _is_ours(name) and name.partition(".")[0] not in sys.stdlib_module_names:
            found[name] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return found


def _modules(kind: Kind, name: str | None = None) -> list[ModuleType]:
    """The modules that hold parts of a kind; with a name, only those that may hold that part."""
    found: list[ModuleType | None] = []
    for place in places(kind):
        module = _import(place)
        if hasattr(module, "__path__"):
            found += [_import(f"{place}.{below}") for below in _below(kind, module, name)]
        elif module and kind in _CALLED_AFTER_MODULE:
            told = f"{place} must be a folder with a file per {kind}, which is called after it"
            plugins.leave_out(f"{plugins.owner(place)}: {told}")
        else:
            found.append(module)
    return [module for module in found if module]


def _below(kind: Kind, package: ModuleType, name: str | None) -> list[str]:
    """The modules of a package, without those whose parts cannot have that name."""
    listed = [module.name for module in pkgutil.iter_modules(package.__path__)]
    if name is None or kind not in _CALLED_AFTER_MODULE:
        return listed
    return [module for module in listed if name == module or name.startswith(f"{module}_")]


def _import(name: str) -> ModuleType | None:
    """A module; none where one of a plug-in does not load, which is told."""
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # code of others may fail with anything
        if _is_ours(name):
            raise
        plugins.leave_out(f"{plugins.owner(name)}: {name} does not load: {kind_and_line(error)}")
        return None


def _parts_of(kind: Kind, module: ModuleType) -> list[tuple[str, Any]]:
    """(public name, part) of those that a module defines itself."""
    if kind in _SIGNATURES:
        return _functions(module, _SIGNATURES[kind], _function_name(kind, module))
    classes = [
        part
        for part in _defined(module, inspect.isclass)
        if issubclass(part, Part) and part.part_kind is kind and not vars(part).get("abstract")
    ]
    if kind is Kind.objective:
        return [(_snake(part.__name__), part) for part in classes]
    return [(_own_name(module), part) for part in classes]


def _function_name(kind: Kind, module: ModuleType) -> Callable[[str], str]:
    """How a function is called in public: a scorer as it is, a source after its module."""
    if kind is Kind.scorer:
        return str
    own = _own_name(module)
    return lambda name: own if name == _READ else f"{own}_{name}"


def _functions(
    module: ModuleType, parameters: list[str], named: Callable[[str], str]
) -> list[tuple[str, Any]]:
    return [
        (named(part.__name__), part)
        for part in _defined(module, inspect.isfunction)
        if list(inspect.signature(part).parameters) == parameters
    ]


def _defined(module: ModuleType, test: Callable[[Any], bool]) -> list[Any]:
    return [
        part
        for name, part in vars(module).items()
        if not name.startswith("_") and test(part) and part.__module__ == module.__name__
    ]


def _own_name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
