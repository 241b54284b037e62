"""From the `method` group to strategy objects; imports no torch."""

from harness.config import MethodConfig, TrainConfig
from harness.config.objects import load_typed
from harness.errors import ConfigError
from harness.methods.base import Strategy
from harness.train.objectives import Objective


def load_strategies(method: MethodConfig) -> dict[str, Strategy]:
    """The method's stack by name, in the order in which its hooks run. Raises ConfigError for a
    wrong class or parameter."""
    order = method.order or sorted(method.strategies)
    return {name: _load_strategy(name, method) for name in order}


def _load_strategy(name: str, method: MethodConfig) -> Strategy:
    """One strategy, its parameters checked against the types of its dataclass."""
    strategy = load_typed(method.strategies[name], Strategy, f"method.{name}")
    try:
        strategy.join_adapter(method.adapter)
    except ConfigError as error:
        raise ConfigError(f"method.{name}.{error}") from error
    return strategy


def load_objective(train: TrainConfig) -> Objective:
    """What training minimises. Raises ConfigError for a wrong class or parameter."""
    return load_typed(train.objective, Objective, "train.objective")
