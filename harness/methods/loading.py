"""From the `method` group to strategy objects; imports no torch."""

from harness.config import MethodConfig
from harness.config.objects import load_class, load_typed
from harness.errors import ConfigError
from harness.methods.base import Strategy
from harness.methods.hooks import check_hooks


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
    try:
        strategy.join_adapter(method.adapter)
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}") from error
    return strategy
