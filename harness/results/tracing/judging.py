"""How often a judge contradicts itself: the same two answers, asked for in both orders."""

from collections.abc import Iterator
from contextlib import suppress

from harness.errors import DAMAGED
from harness.results.records import read_record, record_path
from harness.results.runs import Run
from harness.store.store import Store

INCONSISTENCY = "inconsistency"  # a rate of a judged benchmark, over the pairs with both verdicts
Swaps = dict[str, tuple[float, int]]  # key of a judge's work -> share that disagrees, pairs


def swaps_of(store: Store, run: Run) -> Swaps:
    """Of all that was judged of a run and can be read."""
    return dict(_swaps(store, run))


def _swaps(store: Store, run: Run) -> Iterator[tuple[str, tuple[float, int]]]:
    with suppress(*DAMAGED):
        cells = read_record(record_path(store, run.name)).cells
        for key in dict.fromkeys(cell.key for cell in cells if cell.kind == "judge"):
            with suppress(*DAMAGED):
                for row in store.scores("judge", key):
                    value, pairs = row["value"], row["n"]
                    if row["metric"] == INCONSISTENCY and value is not None and pairs:
                        yield key, (float(value), int(pairs))


def disagreement(swaps: Swaps) -> str | None:
    """The share over all pairs, in words; None where there are none."""
    pairs = sum(count for _, count in swaps.values())
    if not pairs:
        return None
    apart = sum(share * count for share, count in swaps.values()) / pairs
    return f"its verdict changes with the order of the answers in {apart:.1%} of {pairs} pairs"
