"""Passes whose gradient is that of the model itself: no dropout, no trace in the random state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_dropout(module: Any, device: str) -> Iterator[None]:
    """Switch off dropout and leave modes and random state as they were. The module stays in
    training mode, which gradient checkpointing asks for."""
    import torch
    from torch.nn.modules.dropout import _DropoutNd

    layers = [m for m in module.modules() if isinstance(m, _DropoutNd) and m.training]
    attention = [m for m in module.modules() if isinstance(_attention_rate(m), float)]
    rates = [_attention_rate(m) for m in attention]
    with torch.random.fork_rng([device] if torch.device(device).type == "cuda" else []):
        try:
            for layer in layers:
                layer.eval()
            for part in attention:
                part.attention_dropout = 0.0
            yield
        finally:
            for layer in layers:
                layer.train()
            for part, rate in zip(attention, rates, strict=True):
                part.attention_dropout = rate


def _attention_rate(module: Any) -> Any:
    """The rate that transformers' attention modules hand to their kernel."""
    return getattr(module, "attention_dropout", None)
