"""A difference whose seeds and items are both samples: its variance, part by part.

Every task i has a table of contributions d[s, j]: what item j of run s adds to the difference.
Seeds are other for every run, items are the same for all: two crossed random effects (Cornfield
and Tukey, "Average values of mean squares in factorials", Ann. Math. Stat. 27, 1956). With
variances A of seeds, B_i of items and E_i of chance (both together), S seeds and n_i items,

    Var = A / S + sum_i B_i / n_i + sum_i E_i / (S n_i).

The variance of the seeds' sums D_s is that of the first and the last term, var_s(D_s) / S; that of
the items' means m_ij over seeds is that of the other two, sum_i var_j(m_ij) / n_i; the residuals
give the last one, sum_i e_i / (S n_i), which is in both. So

    Var = var_s(D_s) / S + max(0, sum_i var_j(m_ij) / n_i - sum_i e_i / (S n_i)),

without bias but for the 0 that variances of items do not fall below. The seeds' part has S - 1
degrees of freedom, the items' as many as Satterthwaite's formula gives the sum over tasks; how both
make one interval is told in `interval.py`. With one seed the items' part is all: the interval
speaks of other items, and not of other seeds. Items without spread have the error that
`measures/item_errors.py` gives them.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.results.comparing.interval import Interval, Part, from_parts, satterthwaite
from harness.results.measures.item_errors import variance_of_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray


def interval(
    tables: "Sequence[NDArray]", fixed: float = 0.0, reach: Sequence[float] = ()
) -> Interval:
    """Of contributions [..., S, n_i] per task; S the same for all, n_i at least 2. Leading axes are
    several differences at once. fixed: variance of what has no items, taken as independent of
    everything else. reach: of each task, the sum of |w| over the scores in it, for items without
    spread (0 for all if empty)."""
    import numpy as np

    seeds = tables[0].shape[-2]
    sums = sum(table.mean(axis=-1) for table in tables)
    reaches = reach or [0.0] * len(tables)
    of_items: list[Part] = [
        (variance_of_mean(table.mean(axis=-2), own), table.shape[-1] - 1)
        for table, own in zip(tables, reaches, strict=True)
    ]
    freedom = satterthwaite([*of_items, (fixed, math.inf)])
    items = sum(variance for variance, _ in of_items)
    if seeds == 1:
        return from_parts(sums.mean(axis=-1), [(items + fixed, freedom)])
    both = sum(_interaction(table) / (seeds * table.shape[-1]) for table in tables)
    of_seeds = sums.var(axis=-1, ddof=1) / seeds
    parts = [(of_seeds, seeds - 1), (np.maximum(items - both, 0.0) + fixed, freedom)]
    return from_parts(sums.mean(axis=-1), parts)


def _interaction(table: "NDArray") -> "NDArray":
    """The variance that neither seed nor item explains."""
    rest = table - table.mean(axis=-1, keepdims=True) - table.mean(axis=-2, keepdims=True)
    rest = rest + table.mean(axis=(-2, -1), keepdims=True)
    return (rest**2).sum(axis=(-2, -1)) / ((table.shape[-2] - 1) * (table.shape[-1] - 1))
