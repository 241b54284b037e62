"""Which rows begin alike, so that what they share goes through the model once; pure functions.

Rows in their alphabetical order form a tree of shared beginnings (two neighbours share at least
what any two around them do). A row takes part in one beginning at most: the choice that saves most
(short of some tokens where one row is the beginning of another).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

SHORTEST = 16  # a shorter beginning is not worth a pass of its own


@dataclass(frozen=True)
class Group:
    """Rows, by their indices, that share their first `shared` tokens; 0 for a row by itself."""

    rows: tuple[int, ...]
    shared: int

    @property
    def saved(self) -> int:
        """Tokens that go through the model fewer times."""
        return (len(self.rows) - 1) * self.shared


def groups(rows: Sequence[Sequence[int]], outside: Sequence[int] | None = None) -> list[Group]:
    """The rows in groups whose shared beginnings save most tokens, in alphabetical order.

    outside: tokens at the end of each row that are not to be shared, since their logits are asked
    for; null = the last one.
    """
    if not rows:
        return []
    order = sorted(range(len(rows)), key=rows.__getitem__)
    ordered = [rows[index] for index in order]
    common = [0, *(_common(*pair) for pair in pairwise(ordered))]
    limits = [len(rows[index]) - (outside[index] if outside else 1) for index in order]
    return [
        Group(tuple(order[start:end]), shared)
        for start, end, shared in _chosen(common, limits, 0, len(rows))
    ]


def together(rows: Sequence[Sequence[int]]) -> list[int]:
    """Indices of rows: those that share a beginning before others, the group with the longest row
    first, in a group the longest row first, equally long ones by their ids.

    Rows of similar length are padded least; what a row has for itself, and all of a row that shares
    nothing, differ in length.
    """

    def first(index: int) -> tuple[int, Sequence[int]]:
        return -len(rows[index]), rows[index]

    found = [(not group.shared, sorted(group.rows, key=first)) for group in groups(rows)]
    found.sort(key=lambda some: (some[0], first(some[1][0])))
    return [index for _, group in found for index in group]


def _chosen(
    common: Sequence[int], limits: Sequence[int], start: int, end: int
) -> Iterator[tuple[int, int, int]]:
    """(start, end, shared) of the groups of ordered rows [start, end). common: tokens that a row
    shares with the one before it. limits: the most that each row may share."""
    done = dict[tuple[int, int], tuple[int, list[tuple[int, int, int]]]]()
    waiting = [(start, end, False)]
    while waiting:  # the tree may be deeper than Python's stack
        low, high, opened = waiting.pop()
        inner = _inside(common, low, high)
        if not opened:
            waiting += [(low, high, True), *((*child, False) for child in inner)]
            continue
        parts = [done.pop(child) for child in inner]
        saved, best = sum(part[0] for part in parts), [one for part in parts for one in part[1]]
        shared = min(min(common[low + 1 : high], default=0), *limits[low:high])
        whole = (high - low - 1) * shared
        if shared >= SHORTEST and whole >= saved:
            saved, best = whole, [(low, high, shared)]
        elif high - low == 1:
            best = [(low, high, 0)]
        done[low, high] = saved, best
    yield from done[start, end][1]


def _inside(common: Sequence[int], low: int, high: int) -> list[tuple[int, int]]:
    """The parts of [low, high) whose rows share more than all of it does; none for a single row."""
    if high - low == 1:
        return []
    least = min(common[low + 1 : high])
    cuts = [place for place in range(low + 1, high) if common[place] == least]
    return list(zip([low, *cuts], [*cuts, high], strict=True))


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two rows have in common from their beginning on."""
    length = min(len(first), len(second))
    if first[:length] == second[:length]:
        return length
    low, high = 0, length  # the first `low` are alike, the first `high` are not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if first[low:middle] == second[low:middle] else (low, middle)
    return low
