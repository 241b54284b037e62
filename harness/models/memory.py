"""Giving memory back between two models of one process, and noticing that there is too little."""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# glibc's parameters and its largest threshold (mallopt(3)).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _LARGEST = -1, -3, 32 << 20
_SMALL, _MIDDLE = 256 << 10, 8 << 20
_TOLD = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "alloc_failed",
)


def out_of_memory(error: BaseException) -> bool:
    """Does an error say that memory ran out, on a device or on the host?"""
    if isinstance(error, MemoryError):
        return True
    said = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or any(words in said for words in _TOLD)


def release_memory() -> None:
    """Free what nobody refers to any more. Models and engines are full of reference cycles, which
    Python collects when it pleases: by then a second one may not fit beside them."""
    import torch

    gc.collect()
    return_freed()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        if hasattr(torch._C, "_host_emptyCache"):  # of pinned memory, as torch.cuda.graphs does it
            torch._C._host_emptyCache()


def return_freed() -> None:
    """Have the C library give the system back what was freed and lies between other blocks."""
    _call("malloc_trim", 0)


@contextmanager
def lasting_blocks(gathering: bool = False) -> Iterator[None]:
    """What is allocated meanwhile lasts: weights, masters, moments. On glibc each block of them is
    a mapping of its own, which goes back to the system when it is freed.

    By itself glibc keeps all blocks of up to 32 MiB together once one of that size was freed, and
    what is freed between them fits nothing: later stages took 12% more. To have mappings for all
    blocks for good (MALLOC_MMAP_THRESHOLD_, which is obeyed where it is set) makes a step on a CPU
    1.7 times as long: every activation gets new pages. Steps that gather weights (ZeRO 3) have
    them for blocks of 8 MiB and more.
    """
    if "MALLOC_MMAP_THRESHOLD_" in os.environ:
        yield
        return
    _call("mallopt", _MMAP_THRESHOLD, _SMALL)
    try:
        yield
    finally:
        _call("mallopt", _MMAP_THRESHOLD, _MIDDLE if gathering else _LARGEST)
        _call("mallopt", _TRIM_THRESHOLD, 2 * _LARGEST)  # as glibc's own with such a threshold
        return_freed()


def in_main_memory(tensor: "Tensor") -> "Tensor":
    """The tensor itself on a CPU; of one on a GPU a copy that the GPU can fetch again fast. torch
    takes a power of two of bytes for it, and keeps them until `release_memory`."""
    import torch

    if not tensor.is_cuda:
        return tensor
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor)


def _call(name: str, *values: int) -> None:
    """A function of the C library, where it has it."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*values)
