"""Which requests go through a model together; pure functions, so that results repeat."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The most of one batch: rows, and tokens (rows times the longest row with what is generated
    for it). One row is always let through."""

    rows: int
    tokens: int

    def of(self, sizes: Iterable[int]) -> int:
        """How many of these rows, in their order, are the first batch."""
        count = longest = 0
        for size in sizes:
            longest = max(longest, size)
            if count >= self.fitting(longest):
                break
            count += 1
        return count

    def fitting(self, longest: int) -> int:
        """How many rows go together when the longest has so many tokens."""
        return max(1, min(self.rows, self.tokens // max(1, longest)))
