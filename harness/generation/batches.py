"""Which requests go through a model together; a pure function, so that results repeat."""

from collections.abc import Sequence


def longest_first(rows: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Indices of rows in batches of `size`, longest rows first, equally long ones by their ids.

    Rows of similar length are padded least, and what does not fit into memory fails at once.
    """
    order = sorted(range(len(rows)), key=lambda index: (-len(rows[index]), tuple(rows[index])))
    return [order[start : start + size] for start in range(0, len(order), size)]
