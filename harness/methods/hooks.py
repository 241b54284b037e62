"""Is every hook of a strategy one that training calls? Asked of the class, before it is made.

A method that resembles a hook but is none, a hook with other arguments, or a parameter with a
hook's name would do nothing or something else, in silence.
"""

import difflib
import inspect
from dataclasses import fields
from typing import Any

from harness.errors import ConfigError
from harness.methods.base import Strategy

NO_HOOKS = ("key_inputs",)
HOOKS = {
    name: list(inspect.signature(member).parameters)
    for name, member in vars(Strategy).items()
    if inspect.isfunction(member) and not name.startswith("_") and name not in NO_HOOKS
}
# What other libraries and earlier versions call them.
OTHER_NAMES = {
    "before_task": "start",
    "on_start": "start",
    "training_data": "data",
    "phases": "data",
    "token_loss": "loss",
    "extra_loss": "loss",
    "edit_gradients": "gradients",
    "after_backward": "gradients",
    "after_step": "weights",
    "step_end": "weights",
    "metrics": "figures",
    "log": "figures",
    "finish_weights": "finish",
    "after_task": "measure",
    "state_dict": "state",
    "load_state_dict": "load",
    "needs_history": "needs",
    "adds_gradient": "needs",
    "carries_weights": "needs",
}
# What `needs` says, and a class attribute does not.
IN_NEEDS = (
    "adapter",
    "changes_trained",
    "thaws",
    "bounds_gradient",
    "replaces_gradient",
    "copies",
    "host_copies",
    "group",
    "supports_packing",
)
PAIRS = {"state": "load", "load": "state", "resume": "running"}  # one is nothing without the other
CLOSE = 0.7


def check_hooks(kind: type[Strategy], where: str) -> None:
    """Raise ConfigError, beginning with `where`, for the first thing that is wrong with a class."""
    parameters = {field.name for field in fields(kind)}
    for name in sorted(parameters & {*HOOKS, *NO_HOOKS}):
        raise ConfigError(f"{where}.{name}: it is the name of a hook; call the parameter otherwise")
    for owner in _own_classes(kind):
        for name, member in vars(owner).items():
            if name.startswith("_") or name in parameters:
                continue
            problem = _problem(name, member)
            if problem:
                raise ConfigError(f"{where}: {owner.__name__}.{name} {problem}")
    given = {name for name in HOOKS if getattr(kind, name) is not getattr(Strategy, name)}
    for name, other in PAIRS.items():
        if name in given and other not in given:
            raise ConfigError(
                f"{where}: {kind.__name__} has {name} without {other}; add {_written(other)}"
            )


def _own_classes(kind: type[Strategy]) -> list[type]:
    """The class and its bases up to the protocol."""
    return [owner for owner in kind.__mro__ if owner not in Strategy.__mro__]


def _problem(name: str, member: Any) -> str | None:
    """What is wrong with one public attribute of a class that is no parameter."""
    if name in NO_HOOKS:
        return "is no hook: say in needs() and file_parameters what is read"
    if name in IN_NEEDS and not callable(member):
        field = "packing" if name == "supports_packing" else name
        return f"is read by nobody; say it in a hook, {_written('needs')}: Needs({field}=...)"
    if name in HOOKS:
        return _wrong_signature(name, member)
    if not callable(getattr(member, "__func__", member)):
        return None
    near = OTHER_NAMES.get(name) or _nearest(name)
    if near is None:
        return None
    return f"is no hook; the hook is {_written(near)} (begin other methods with an underscore)"


def _wrong_signature(name: str, member: Any) -> str | None:
    if not inspect.isfunction(member):
        return f"has to be a method: {_written(name)}"
    found = list(inspect.signature(member).parameters)
    if found == HOOKS[name]:
        return None
    return f"takes ({', '.join(found)}); a hook's arguments have its names: {_written(name)}"


def _nearest(name: str) -> str | None:
    options = [*HOOKS, *OTHER_NAMES]
    close = difflib.get_close_matches(name, options, n=1, cutoff=CLOSE)
    return OTHER_NAMES.get(close[0], close[0]) if close else None


def _written(name: str) -> str:
    return f"{name}({', '.join(HOOKS[name])})"
