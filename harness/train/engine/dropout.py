"""Passes whose gradient is that of the model itself: no dropout, no trace in the random state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_dropout(module: Any, device: str) -> Iterator[None]:
    """Switch off dropout and leave modes and random state as they were.

    Modules go to evaluation mode but for those that recompute activations, which gradient
    checkpointing does in training mode alone; of these the rates of dropout are set to zero.
    """
    import torch

    training = [m for m in module.modules() if m.training]
    recomputing = [m for m in training if getattr(m, "gradient_checkpointing", False)]
    rates = [(m, name, rate) for m in recomputing for name, rate in _rates(m)]
    with torch.random.fork_rng([device] if torch.device(device).type == "cuda" else []):
        try:
            module.eval()
            for part in recomputing:
                part.training = True
            for part, name, _ in rates:
                setattr(part, name, 0.0)
            yield
        finally:
            for part, name, rate in rates:
                setattr(part, name, rate)
            for part in training:
                part.training = True


def _rates(module: Any) -> list[tuple[str, float]]:
    """Rates that a module hands to a function instead of holding a layer for them."""
    return [
        (name, value)
        for name, value in vars(module).items()
        if "drop" in name and isinstance(value, float)
    ]
