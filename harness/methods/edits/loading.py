"""From plain JSON, {"_target_": dotted path, parameter: value}, to an edit; imports no torch."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import harness.methods.edits
from harness.config.objects import load_typed
from harness.errors import ConfigError, suggest
from harness.methods.edits.base import Edit, TaskVectorEdit
from harness.methods.edits.task_arithmetic import TaskArithmetic


def load_edit(spec: dict[str, Any], where: str = "edit") -> Edit:
    """One edit, its parameters checked against the types of its dataclass.

    Raises ConfigError, beginning with `where` and the parameter.
    """
    return load_typed(spec, Edit, where)


def load_merge(spec: dict[str, Any] | None) -> TaskVectorEdit:
    """The edit that makes another edit's merged vector; the sum of the task vectors by default."""
    if spec is None:
        return TaskArithmetic(scale=1.0)
    if "_target_" not in spec:
        raise ConfigError("merge_with: needs _target_, the path of an edit's class")
    if "scale" in spec:
        raise ConfigError("merge_with.scale: has no effect; the outer edit scales the vector")
    return load_typed(spec, TaskVectorEdit, "merge_with")


def edit_names() -> list[str]:
    """The edits of this package, by the names of their files."""
    names = [module.name for module in pkgutil.iter_modules(harness.edits.__path__)]
    return [name for name in names if _edits_of(_module(name))]


def edit_path(name: str) -> str:
    """Dotted path of an edit's class from its file's name; a dotted path stays as it is."""
    if "." in name:
        return name
    names = edit_names()
    if name not in names:
        raise ConfigError(f"edit: there is no edit '{name}'" + suggest(name, names))
    module = _module(name)
    return f"{module.__name__}.{_edits_of(module)[0]}"


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{harness.methods.edits.__name__}.{name}")


def _edits_of(module: ModuleType) -> list[str]:
    """Concrete edits that a module defines itself."""
    return [
        name
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
        and issubclass(kind, Edit)
        and kind not in (Edit, TaskVectorEdit)
    ]
