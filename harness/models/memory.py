"""Giving memory back between two models of one process."""

import gc


def release_memory() -> None:
    """Free what nobody refers to any more. Models and engines are full of reference cycles, which
    Python collects when it pleases: by then a second one may not fit beside them."""
    import torch

    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
