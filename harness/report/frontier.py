"""Is a method better than a lower learning rate? Learning accuracy against backward transfer.

A lower rate learns less and forgets less, and so does a stronger penalty, a lower rank, a larger
merging weight. A method is worth having where it forgets less than sequential fine-tuning does at
the rate that learns as much. The curve of sequential fine-tuning over its rates is the reference;
between two rates it is taken as a straight line.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.metrics.continual import MEASURES
from harness.report.runs import Run

LEVEL = 0.05  # of the whole comparison; each of n points is tested at LEVEL / n


@dataclass(frozen=True)
class Point:
    """Learning accuracy and BWT (both -1..1) of one setting, with their standard errors."""

    label: str
    learned: float
    kept: float
    learned_error: float
    kept_error: float


@dataclass(frozen=True)
class Comparison:
    """A point of the method beside the curve at the same learning accuracy.

    `difference` is null outside the rates that were tried: nothing is extrapolated.
    """

    point: Point
    difference: float | None
    error: float | None
    beyond: bool


def point(label: str, runs: Sequence[Run]) -> Point:
    """A setting's point from its runs over seeds. The error joins the item error (the test sets are
    the same for every seed) and the standard error of the mean over seeds, where there are two."""
    learned, learned_error = _mean(runs, "learning_accuracy")
    kept, kept_error = _mean(runs, "bwt")
    return Point(label, learned, kept, learned_error, kept_error)


def compare(points: Sequence[Point], curve: Sequence[Point]) -> list[Comparison]:
    """Every point of a method against the curve of sequential fine-tuning over its rates."""
    threshold = statistics.NormalDist().inv_cdf(1 - LEVEL / max(1, len(points)))
    return [_against(item, curve, threshold) for item in points]


def verdict(comparisons: Sequence[Comparison]) -> str:
    """The one-line answer."""
    inside = [item for item in comparisons if item.difference is not None]
    if not inside:
        return "undecided: no setting learns as much as any rate that was tried; try more rates"
    beyond = [item for item in inside if item.beyond]
    if not beyond:
        return "not distinguishable from a lower rate"
    best = max(beyond, key=lambda item: item.difference or 0.0)
    gain, error = 100 * (best.difference or 0.0), 100 * (best.error or 0.0)
    return (
        f"beyond the learning rate: at {best.point.label} BWT is {gain:.1f} ± {error:.1f} points "
        "above what a rate with the same learning accuracy gives"
    )


def _mean(runs: Sequence[Run], measure: str) -> tuple[float, float]:
    found = [MEASURES[measure].of(run.matrix) for run in runs]
    values = [item.value for item in found if item.value is not None]
    items = [item.item_error or 0.0 for item in found]
    spread = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return statistics.fmean(values), math.hypot(statistics.fmean(items), spread)


def _against(item: Point, curve: Sequence[Point], threshold: float) -> Comparison:
    reference = _interpolate(item.learned, curve)
    if reference is None:
        return Comparison(item, None, None, False)
    kept, error, slope = reference
    # A wrong learning accuracy shifts the place on the curve, hence the slope.
    total = math.hypot(item.kept_error, error, slope * item.learned_error)
    difference = item.kept - kept
    return Comparison(item, difference, total, difference > threshold * total)


def _interpolate(learned: float, curve: Sequence[Point]) -> tuple[float, float, float] | None:
    """BWT, its error and the slope of the curve at a learning accuracy; where the curve passes it
    more than once, the segment with the highest BWT (the best rate is the rival)."""
    found = []
    # By rate, not by learning accuracy: a rate that is too high learns less again.
    for left, right in itertools.pairwise(curve):
        low, high = sorted((left.learned, right.learned))
        if not low <= learned <= high or low == high:
            continue
        share = (learned - left.learned) / (right.learned - left.learned)
        kept = left.kept + share * (right.kept - left.kept)
        error = math.hypot((1 - share) * left.kept_error, share * right.kept_error)
        slope = (right.kept - left.kept) / (right.learned - left.learned)
        found.append((kept, error, slope))
    return max(found, default=None)
