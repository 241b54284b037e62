"""What rows share at their beginning: the choice that saves most, by trying all of them."""

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from harness.generation import prefixes
from harness.generation.prefixes import Group, groups, together


def partitions(items: list[int]) -> Iterator[list[list[int]]]:
    """All ways to divide the items into groups."""
    if not items:
        yield []
        return
    first, *others = items
    for parts in partitions(others):
        yield [[first], *parts]
        for place, part in enumerate(parts):
            yield [*parts[:place], [first, *part], *parts[place + 1 :]]


def shared(rows: Sequence[Sequence[int]], members: Sequence[int], shortest: int) -> int:
    """Tokens that all members begin with, the last of each left out."""
    most = min(len(rows[index]) for index in members) - 1
    same = [len({rows[index][place] for index in members}) == 1 for place in range(most)]
    count = same.index(False) if False in same else most
    return count if count >= shortest and len(members) > 1 else 0


@pytest.mark.parametrize("shortest", [1, 2])
def test_no_other_groups_save_more(shortest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefixes, "SHORTEST", shortest)
    source = random.Random(0)
    for _ in range(150):
        count = source.randint(1, 6)
        bits = [[source.randint(0, 1) for _ in range(source.randint(0, 6))] for _ in range(count)]
        rows = [[*some, 10 + row] for row, some in enumerate(bits)]  # none begins another one
        found = groups(rows)
        assert sorted(index for group in found for index in group.rows) == list(range(count))
        for group in found:
            assert group.shared == shared(rows, group.rows, shortest)
        best = max(
            sum((len(part) - 1) * shared(rows, part, shortest) for part in parts)
            for parts in partitions(list(range(count)))
        )
        assert sum(group.saved for group in found) == best


def test_what_is_asked_for_stays_outside() -> None:
    rows = [[1] * 30 + [2, 3], [1] * 30 + [2, 4]]
    assert groups(rows) == [Group((0, 1), 31)]
    assert groups(rows, [2, 8]) == [Group((0, 1), 24)]
    assert [group.shared for group in groups(rows, [2, 20])] == [0, 0]  # 12 are not worth it
    assert groups([]) == []


def test_rows_that_begin_alike_stand_together_and_the_longest_first() -> None:
    one, other = [1] * 20, [2] * 20
    rows = [[*one, 5], [3], [*other, 6, 6], [*one, 7, 7, 7], [*other, 8], [4] * 22]
    assert together(rows) == [3, 0, 2, 4, 5, 1]


def test_a_deep_tree_of_beginnings() -> None:
    """Deeper than Python's stack."""
    rows = [[0] * length + [1] for length in range(1500)]
    found = groups(rows)
    assert sum(group.saved for group in found) >= max(
        (1500 - length) * (length - 1) for length in range(1, 1500)
    )
    assert all(a.rows != b.rows for a, b in pairwise(found))
