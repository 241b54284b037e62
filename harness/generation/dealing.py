"""Pieces of work for ranks that take the next one when they are free, and what comes of it."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from harness.generation.batches import Limits

SHARE = 32  # a chunk is about such a part of its benchmark, where that is more than a batch
GENERATED = 8  # a generated token takes about as long as so many that are read


@dataclass(frozen=True)
class Chunk:
    """Requests that are answered together by one rank. call, members: which; cost: how long that
    takes beside others, in tokens that are read."""

    call: int
    members: tuple[int, ...]
    cost: int


def budget(total: int, batch: int) -> int:
    """Tokens of a chunk: whole batches of `batch` tokens, near 1/SHARE of a benchmark's total."""
    return batch * max(1, round(total / SHARE / batch))


def cut(sizes: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the chunks of rows in their order: as many rows as stay within `size` tokens
    when all are padded to the longest of them, one at least."""
    limits, start = Limits(len(sizes), size), 0
    while start < len(sizes):
        end = start + limits.of(islice(sizes, start, None))
        yield start, end
        start = end


@dataclass(frozen=True)
class Schedule:
    """How dealing goes. makespan: when the last worker is done, in the unit of the costs.
    utilisation: the share of that time in which workers work, 0..1."""

    makespan: float
    utilisation: float


def dealt(costs: Sequence[float], workers: int, taken: Sequence[float] | None = None) -> Schedule:
    """Deal pieces in turn to whoever is free first, the largest estimated cost first.

    taken: how long each piece takes really; null = as long as its cost says.
    """
    real = costs if taken is None else taken
    order = sorted(range(len(costs)), key=lambda index: -costs[index])
    free = [0.0] * workers
    for index in order:
        heapq.heappush(free, heapq.heappop(free) + real[index])
    makespan = max(free)
    return Schedule(makespan, sum(real) / (workers * makespan) if makespan else 1.0)
