"""Overrides of tasks that are known when their folder is read (`sequence.from_folder`): Hydra is
given them as entries of `sequence.overrides`."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config import TaskConfig
from harness.config.places import parse
from harness.errors import ConfigError, first_line, suggest

_FOLDER = "sequence.from_folder"
_NOT_SET = ("folder",)  # what is the task itself


def with_folder_tasks(overrides: list[str]) -> list[str]:
    """The overrides; where they name a folder of tasks, with `task.<task>.<key>` of its tasks where
    they are kept until it is read."""
    given = {str(item.key_or_group): item for item in parse(overrides)}
    if _FOLDER not in given or given[_FOLDER].value() is None:
        return overrides
    return [_moved(word) for word in overrides]


def _moved(word: str) -> str:
    bare = word.lstrip("+")
    dots = bare.partition("=")[0].count(".")
    if not bare.startswith("task.") or dots < 2 or "=" not in bare:
        return word
    return f"++sequence.overrides.{bare.removeprefix('task.')}"


def with_overrides(
    tasks: Mapping[str, TaskConfig], overrides: Mapping[str, Any]
) -> dict[str, TaskConfig]:
    """Tasks of a folder with what the configuration sets of them. Raises ConfigError naming the
    task or the key that is not there, or the value that is none of its."""
    for name in overrides:
        if name not in tasks:
            listed = suggest(name, list(tasks))
            raise ConfigError(f"task.{name}: '{name}' is not among the tasks of the folder{listed}")
    return {name: _set(name, task, overrides.get(name) or {}) for name, task in tasks.items()}


def _set(name: str, task: TaskConfig, own: Any) -> TaskConfig:
    known = [spec.name for spec in fields(TaskConfig) if spec.name not in _NOT_SET]
    if not isinstance(own, Mapping):
        raise ConfigError(f"task.{name}={own}: set a key of it, as task.{name}.learning_rate=1e-3")
    for key in own:
        if key not in known:
            raise ConfigError(f"unknown key 'task.{name}.{key}'{suggest(str(key), known)}")
    try:
        merged = OmegaConf.merge(OmegaConf.structured(task), dict(own))
        found: Any = OmegaConf.to_object(merged)
        return found
    except OmegaConfBaseException as error:
        where = getattr(error, "full_key", None) or next(iter(own), "")
        raise ConfigError(f"task.{name}.{where}: {first_line(error)}") from error
