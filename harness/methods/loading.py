"""From the `method` group to strategy objects; imports no torch."""

from collections.abc import Callable
from typing import Any

from harness.config import MethodConfig
from harness.config.objects import load_class, load_typed
from harness.errors import ConfigError, HarnessError, kind_and_line
from harness.methods.base import Strategy
from harness.methods.hooks import check_hooks
from harness.methods.needs import Needs


def load_strategies(method: MethodConfig) -> dict[str, Strategy]:
    """The method's stack by name, in the order in which its hooks run. Raises ConfigError for a
    wrong class, hook or parameter."""
    order = method.order or sorted(method.strategies)
    return {name: _load_strategy(name, method) for name in order}


def _load_strategy(name: str, method: MethodConfig) -> Strategy:
    """One strategy, its parameters checked against the types of its dataclass."""
    part, where = method.strategies[name], f"method.{name}"
    check_hooks(load_class(part, Strategy, where), where)
    strategy = load_typed(part, Strategy, where)
    ask(where, strategy.join_adapter, method.adapter)
    needs = ask(where, strategy.needs)
    if not isinstance(needs, Needs):
        told = f"{type(strategy).__name__}.needs gives a {type(needs).__name__}"
        raise ConfigError(f"{where}: {told}; it has to give Needs(...)")
    return strategy


def ask(where: str, hook: Callable[..., Any], *arguments: Any) -> Any:
    """What a hook of validation answers. Whatever it raises is a ConfigError that begins with
    `where`, or another error for the user."""
    try:
        return hook(*arguments)
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}") from error
    except HarnessError:
        raise
    except Exception as error:  # a user's own hook may fail with anything
        raise ConfigError(f"{where}: {hook.__qualname__} fails ({kind_and_line(error)})") from error
