"""Range checks of strategies' parameters."""

import math

from harness.errors import ConfigError


def require_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise ConfigError unless low <= value <= high and value is finite."""
    if math.isfinite(value) and low <= value <= high:
        return
    wanted = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"{low:g} or more"
    raise ConfigError(f"{name}={value}: it must be {wanted}")
