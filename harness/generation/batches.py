"""Which requests go through a model together; pure functions, so that results repeat."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The most of one batch: rows, and tokens (rows times the longest row with what is generated
    for it). One row is always let through."""

    rows: int
    tokens: int

    def fitting(self, longest: int) -> int:
        """How many rows go together when the longest has so many tokens."""
        return max(1, min(self.rows, self.tokens // max(1, longest)))


def longest_first(rows: Sequence[Sequence[int]]) -> list[int]:
    """Indices of rows, longest rows first, equally long ones by their ids.

    Rows of similar length are padded least, and what does not fit into memory fails at once.
    """
    return sorted(range(len(rows)), key=lambda index: (-len(rows[index]), tuple(rows[index])))
