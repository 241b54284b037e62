"""From plain JSON, {"_target_": name, parameter: value}, to an edit; imports no torch."""

from typing import Any

from harness.config.objects import load_typed
from harness.errors import ConfigError
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
        raise ConfigError("merge_with: needs _target_, an edit's name or its class's path")
    if "scale" in spec:
        raise ConfigError("merge_with.scale: has no effect; the outer edit scales the vector")
    return load_typed(spec, TaskVectorEdit, "merge_with")
