"""Range checks of the parameters of strategies and edits."""

import math
from collections.abc import Sequence

from harness.errors import ConfigError


def require_range(
    name: str, value: float, low: float, high: float = math.inf, open_low: bool = False
) -> None:
    """Raise ConfigError unless value is finite and in [low, high], or (low, high] where open."""
    above = low < value if open_low else low <= value
    if math.isfinite(value) and above and value <= high:
        return
    if math.isfinite(high):
        wanted = f"in {'(' if open_low else '['}{low:g}, {high:g}]"
    else:
        wanted = f"above {low:g}" if open_low else f"{low:g} or more"
    raise ConfigError(f"{name}={value}: it must be {wanted}")


def require_finite(name: str, value: float) -> None:
    """Raise ConfigError for infinities and NaN."""
    if not math.isfinite(value):
        raise ConfigError(f"{name}={value}: it must be a finite number")


def require_choice(name: str, value: str, options: Sequence[str]) -> None:
    """Raise ConfigError for a value that is no option."""
    if value not in options:
        raise ConfigError(f"{name}={value}: it must be one of {', '.join(options)}")
