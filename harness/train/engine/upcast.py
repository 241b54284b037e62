"""A module that is held in bf16, computing in fp32 for a moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def in_fp32(model: Any) -> Iterator[None]:
    """Every part of the module widens its own weights before it runs and takes the held ones back
    afterwards, so that no second copy of the model is there. Without gradients only."""
    import torch

    handles, typed = [], []
    for part in model.modules():
        mine = part.parameters(recurse=False)
        own = [p for p in mine if p.is_floating_point() and p.dtype is not torch.float32]
        if getattr(part, "compute_dtype", None) is not None:  # its weights are of 4 bits
            typed.append((part, part.compute_dtype))
            part.compute_dtype = torch.float32
        if own:
            widen, restore = _hooks(own)
            handles += [
                part.register_forward_pre_hook(widen),
                # Before other hooks: ZeRO 3's lets go of what it has gathered.
                part.register_forward_hook(restore, always_call=True, prepend=True),
            ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for part, kind in typed:
            part.compute_dtype = kind


def _hooks(own: list[Any]) -> tuple[Any, Any]:
    held: list[Any] = []

    def widen(part: Any, inputs: Any) -> None:
        held[:] = [parameter.data for parameter in own]
        for parameter, value in zip(own, held, strict=True):
            parameter.data = value.float()

    def restore(part: Any, inputs: Any, output: Any) -> None:
        for parameter, value in zip(own, held, strict=False):  # empty where it did not begin
            parameter.data = value
        held.clear()

    return widen, restore
