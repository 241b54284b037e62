"""Which examples an optimizer step sees: a pure function of (seed, task, epoch, step)."""

import math
import random
from functools import lru_cache

from harness.data.randomness import derive_seed


@lru_cache(maxsize=16)  # every step of an epoch asks
def epoch_order(seed: int, task: str, epoch: int, size: int) -> tuple[int, ...]:
    """The permutation of one epoch."""
    order = list(range(size))
    random.Random(derive_seed("order", seed, task, epoch)).shuffle(order)
    return tuple(order)


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Optimizer steps an epoch takes; the last one may hold fewer examples."""
    return math.ceil(size / batch_size)


def batch_indices(seed: int, task: str, step: int, size: int, batch_size: int) -> tuple[int, ...]:
    """Row indices of optimizer step `step` (counted from 0 over all epochs)."""
    epoch, within = divmod(step, steps_per_epoch(size, batch_size))
    order = epoch_order(seed, task, epoch, size)
    return order[within * batch_size : (within + 1) * batch_size]
