"""Giving memory back between two models of one process."""

import ctypes
import gc


def release_memory() -> None:
    """Free what nobody refers to any more. Models and engines are full of reference cycles, which
    Python collects when it pleases: by then a second one may not fit beside them."""
    import torch

    gc.collect()
    return_freed()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def return_freed() -> None:
    """Have the C library give the system back what was freed. Having freed a large block, glibc
    keeps all later ones of up to its size (32 MiB at most), in pieces that the next model does not
    fit into. (Its MALLOC_MMAP_THRESHOLD_ would give them back one by one, but makes a step on a CPU
    half as fast again, which then has new pages for every activation.)"""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
