"""Standard errors that come from scoring finite test sets, for a fixed model.

**Paired.** Scores that share their items are a weighted sum per item, d_j = sum_c w_c x_cj, whose
mean has the error sqrt(var_j(d_j) / n): what makes an item easy in all cells cancels or adds as it
does in the data.

**No spread.** Items that all score the same have a variance of 0, which is no evidence of a score
without error. With n of them Wilson's score interval at one standard error reaches from n / (n + 1)
to 1 (or from 0 to 1 / (n + 1)): its half width, 1 / (2 (n + 1)), stands in for the error (Wilson,
"Probable inference, the law of succession, and statistical inference", JASA 22, 1927). Of a paired
difference of two proportions without discordant pairs, Tango's score interval reaches 1 / (n + 1)
to both sides ("Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statist. Med. 17, 1998). Both are (sum_c |w_c|) / 2 / (n + 1).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray

Place = TypeVar("Place")
_NO_VARIANCE = 1e-16  # of scores in 0..1 that are kept in single precision


@dataclass(frozen=True)
class ItemScores:
    """Scores in 0..1 [n] of the items of one cell, and what tells the items from others: their
    names (subtask, item), and a hash of what they ask and expect where that is known."""

    ids: tuple[tuple[str | int, ...], ...]
    values: "NDArray"


def without_spread(items: int, weight: float = 1.0) -> float:
    """The error of a mean whose items do not differ. weight: sum of |w| over the cells."""
    return weight / 2 / (items + 1)


def score_error(stderr: float | None, items: int | None) -> float | None:
    """The error of one score in 0..1 from that of its items; null stays null."""
    return without_spread(items) if stderr == 0 and items else stderr


def variance_of_mean(values: "NDArray", weight: float) -> "NDArray":
    """Squared error of the mean of d_j, values [..., n] with n >= 2. weight: sum of |w| in them."""
    import numpy as np

    spread, count = values.var(axis=-1, ddof=1), values.shape[-1]
    none = spread <= _NO_VARIANCE * weight**2
    return np.where(none, without_spread(count, weight) ** 2, spread / count)


def unpaired_error(cells: Iterable[tuple[float, float | None]]) -> float | None:
    """The largest error of a weighted sum of cells of one test set whose items are not known, for
    correlations of 0 to 1 between them; null where a cell's error is.

    cells: (weight, error). Errors add up where the weights agree in sign, and their squares do
    where they differ.
    """
    spreads = {True: 0.0, False: 0.0}
    for weight, error in cells:
        if error is None:
            return None
        spreads[weight > 0] += abs(weight) * error
    return math.hypot(*spreads.values())


def paired_error(
    weights: Mapping[Place, float], items: Callable[[Place], ItemScores | None]
) -> float | None:
    """The error of the weighted sum of cells of one test set; null where the items of a cell are
    not known, or are other ones than those of another cell."""
    total, ids = None, None
    for place, weight in weights.items():
        own = items(place) if weight else None
        if weight and (own is None or (ids is not None and own.ids != ids)):
            return None
        if own is not None:
            ids = own.ids
            total = weight * own.values if total is None else total + weight * own.values
    reach = math.fsum(map(abs, weights.values()))
    return 0.0 if total is None else math.sqrt(variance_of_mean(total, reach))
