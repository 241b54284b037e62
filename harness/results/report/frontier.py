"""Is a method better than a lower learning rate? Learning accuracy against backward transfer.

A lower rate learns less and forgets less, and so does a stronger penalty, a lower rank, a larger
merging weight. A method is worth having where it forgets less than sequential fine-tuning does at
the rate that learns as much. The curve of sequential fine-tuning over its rates is the reference;
between two rates it is taken as a straight line.

The test is one-sided at LEVEL, parted over the settings that are compared, with Student's t and the
degrees of freedom of Welch and Satterthwaite: the errors over seeds are themselves estimates, the
item errors are not. With the errors of several settings in one, these are enough (`comparing/
interval.py` is for a single one of few seeds). LA and BWT of a setting are taken as independent.
"""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import DataError
from harness.results.comparing.interval import LEVEL, satterthwaite
from harness.results.measures.continual import MEASURES
from harness.results.runs import Run
from harness.store.scores import combined_error

FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Mean:
    """A measure's mean over seeds, and its standard errors: `item` of the finite test sets (the
    same for every seed; null where unknown), `spread` of the mean over seeds (0 for one seed)."""

    value: float
    item: float | None
    spread: float

    @property
    def error(self) -> float | None:
        """Both errors in one."""
        return combined_error([self.item, self.spread])


@dataclass(frozen=True)
class Point:
    """Learning accuracy and BWT (both -1..1) of one setting, over so many seeds."""

    label: str
    learned: Mean
    kept: Mean
    seeds: int


@dataclass(frozen=True)
class Comparison:
    """A point of the method beside the curve at the same learning accuracy.

    difference: null outside the rates that were tried (nothing is extrapolated). side: 1 = above
    the curve, -1 = below, 0 = not distinguishable; null where no test is made.
    """

    point: Point
    difference: float | None = None
    error: float | None = None
    side: int | None = None


def point(label: str, runs: Sequence[Run]) -> Point:
    """A setting's point from its runs over seeds. Raises DataError where BWT is not defined."""
    return Point(label, _mean(runs, "learning_accuracy"), _mean(runs, "bwt"), len(runs))


def compare(points: Sequence[Point], curve: Sequence[Point]) -> list[Comparison]:
    """Every point of a method against the curve of its rival over the learning rates."""
    level = LEVEL / max(1, len(points))  # of the whole comparison, parted over the points
    return [_against(item, curve, level) for item in points]


def verdict(comparisons: Sequence[Comparison], curve: Sequence[Point] = ()) -> str:
    """The one-line answer. curve: what was compared with, for the reason why nothing was."""
    inside = [item for item in comparisons if item.difference is not None]
    outside = [item.point.label for item in comparisons if item.difference is None]
    if not inside:
        return f"undecided: {_why_none(comparisons, curve)}; try more rates"
    told = _told(inside)
    if outside:
        told += f"; outside the rates that were tried: {', '.join(outside)}"
    return told


def _why_none(comparisons: Sequence[Comparison], curve: Sequence[Point]) -> str:
    """Why no setting stands beside the curve."""
    # With as many digits as tell them from the curve's.
    points = [item.point for item in comparisons]
    told = [(_range(points, digits), _range(curve, digits)) for digits in (1, 2, 4)]
    settings, rates = next((pair for pair in told if pair[0] != pair[1]), told[-1])
    if len(curve) == 1:
        return f"one rate was tried, whose learning accuracy is {rates}, not {settings}"
    among = f", {rates}," if curve else ""
    return f"no learning accuracy ({settings}) lies within that of the rates{among} that were tried"


def _range(points: Sequence[Point], digits: int) -> str:
    numbers = sorted({f"{100 * item.learned.value:.{digits}f}" for item in points}, key=float)
    return " to ".join(dict.fromkeys([*numbers[:1], *numbers[-1:]]))


def _told(inside: Sequence[Comparison]) -> str:
    tested = [item for item in inside if item.side is not None]
    best = max(tested or inside, key=lambda item: (item.side or 0, item.difference or 0.0))
    where = "above" if (best.difference or 0.0) >= 0 else "below"
    size = f"{100 * abs(best.difference or 0.0):.1f}"
    size += "" if best.error is None else f" ± {100 * best.error:.1f}"
    at = f"at {best.point.label} BWT is {size} points {where} what a rate with the same learning "
    at += "accuracy gives"
    if not tested:
        few = any(item.error is not None for item in inside)
        lacking = f"fewer than {FEWEST_SEEDS} seeds" if few else "unknown errors of the scores"
        return f"no test with {lacking}; {at}"
    told = {
        1: f"beyond the learning rate: {at}",
        0: "not distinguishable from a lower rate",
        -1: f"worse than a lower rate: even {at}",
    }[best.side or 0]
    rest = [item.point.label for item in inside if item.side is None]
    return told + (f"; not tested: {', '.join(rest)}" if rest else "")


def _mean(runs: Sequence[Run], measure: str) -> Mean:
    found = [MEASURES[measure].of(run.matrix) for run in runs]
    values = [item.value for item in found if item.value is not None]
    if len(values) < len(runs):
        raise DataError(
            f"{measure} is not defined for {runs[0].method} on {runs[0].sequence}; "
            "a frontier needs a sequence of two tasks or more"
        )
    errors = [item.item_error for item in found if item.item_error is not None]
    item = statistics.fmean(errors) if len(errors) == len(found) else None
    spread = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Mean(statistics.fmean(values), item, spread)


@dataclass(frozen=True)
class _Reference:
    """The curve at a learning accuracy: BWT, the segment's slope, its ends with their weights."""

    kept: float
    slope: float
    ends: tuple[tuple[float, Point], tuple[float, Point]]


def _against(item: Point, curve: Sequence[Point], level: float) -> Comparison:
    from scipy.stats import t

    reference = _interpolate(item.learned.value, curve)
    if reference is None:
        return Comparison(item)
    difference = item.kept.value - reference.kept
    # A wrong learning accuracy, of the point or of the curve, shifts the place on the curve.
    parts = [(1.0, item), *((weight, place) for weight, place in reference.ends if weight)]
    means = [
        (weight * scale, mean, place.seeds)
        for weight, place in parts
        for scale, mean in ((1.0, place.kept), (reference.slope, place.learned))
    ]
    total = combined_error([mean.error for _, mean, _ in means], [weight for weight, _, _ in means])
    if total is None:
        return Comparison(item, difference)
    if min(place.seeds for _, place in parts) < FEWEST_SEEDS:
        return Comparison(item, difference, total)
    spreads = [((weight * mean.spread) ** 2, seeds - 1) for weight, mean, seeds in means]
    items = total**2 - math.fsum(variance for variance, _ in spreads)
    freedom = satterthwaite([*spreads, (items, math.inf)])
    threshold = float(t.ppf(1 - level, freedom)) * total
    side = int(difference > threshold) - int(difference < -threshold)
    return Comparison(item, difference, total, side)


def _interpolate(learned: float, curve: Sequence[Point]) -> _Reference | None:
    """The curve at a learning accuracy; where it passes that more than once, the segment with the
    highest BWT (the best rate is the rival)."""
    if len(curve) == 1 and curve[0].learned.value == learned:
        only = curve[0]
        return _Reference(only.kept.value, 0.0, ((1.0, only), (0.0, only)))
    found = []
    # By rate, not by learning accuracy: a rate that is too high learns less again.
    for left, right in itertools.pairwise(curve):
        width = right.learned.value - left.learned.value
        low, high = sorted((left.learned.value, right.learned.value))
        if not low <= learned <= high:
            continue
        if width == 0:
            best = max(left, right, key=lambda item: item.kept.value)
            found.append(_Reference(best.kept.value, 0.0, ((1.0, best), (0.0, best))))
            continue
        share = (learned - left.learned.value) / width
        rise = right.kept.value - left.kept.value
        ends = ((1 - share, left), (share, right))
        found.append(_Reference(left.kept.value + share * rise, rise / width, ends))
    return max(found, key=lambda item: item.kept, default=None)
