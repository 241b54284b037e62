"""A difference whose seeds and items are both samples: its error and its interval.

Every task i has a table of contributions d[s, j]: what item j of run s adds to the difference.
Seeds are other for every run, items are the same for all: two crossed random effects (Cornfield
and Tukey, "Average values of mean squares in factorials", Ann. Math. Stat. 27, 1956). With the
seeds' sums D_s, the items' means m_ij over seeds and the interaction's variance e_i,

    Var = var_s(D_s) / S + sum_i var_j(m_ij) / n_i - sum_i e_i / (S n_i),

since the interaction is in both of the first terms; the larger of these is the least that it can
be. The interval has degrees of freedom after Satterthwaite; the test's critical value is that of
Cochran and Cox, the mean of both samples' own, weighted by their shares of Var: few seeds that
happen to lie together would call a difference too often otherwise, at the small levels of several
tests above all. With one seed the second term is all: the interval speaks of other items, and not
of other seeds. Items without spread have the error that `measures/item_errors.py` gives them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.results.measures.item_errors import variance_of_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.05
POWER = 0.8
_LEAST = 1e-9  # no smaller p is told


@dataclass(frozen=True)
class Interval:
    """A difference with its standard error, which may be 0 or infinite, and degrees of freedom.
    of_seeds: the share of its variance that seeds have; seeds: how many."""

    difference: float
    error: float
    freedom: float
    of_seeds: float = 0.0
    seeds: int = 1

    def ends(self) -> tuple[float, float]:
        """The interval that covers the truth in 95 of 100 cases."""
        half = self._t(1 - LEVEL / 2) * self.error
        return self.difference - half, self.difference + half

    def p(self) -> float:
        """Two-sided, of no difference."""
        from scipy.optimize import brentq

        if self.error == 0:
            return 1.0 if self.difference == 0 else 0.0
        ratio = abs(self.difference) / self.error
        if ratio >= self._critical(_LEAST):
            return _LEAST
        return float(brentq(lambda level: self._critical(level) - ratio, _LEAST, 1.0))

    def _critical(self, level: float) -> float:
        from scipy.stats import norm, t

        share = self.of_seeds
        own = float(t.ppf(1 - level / 2, self.seeds - 1)) if share else 0.0
        return share * own + (1 - share) * float(norm.ppf(1 - level / 2))

    def detectable(self) -> float:
        """The difference that a test at 5% would find in 80 of 100 cases, with such data."""
        return (self._critical(LEVEL) + self._t(POWER)) * self.error

    def _t(self, share: float) -> float:
        from scipy.stats import t

        return float(t.ppf(share, self.freedom))


def interval(
    tables: "Sequence[NDArray]", fixed: float = 0.0, reach: Sequence[float] = ()
) -> Interval:
    """Of contributions [S, n_i] per task; S the same for all, n_i at least 2. fixed: variance of
    what has no items, taken as independent of everything else. reach: of each task, the sum of |w|
    over the scores in it, for items without spread (0 for all if empty)."""
    seeds = tables[0].shape[0]
    sums = sum(table.mean(axis=1) for table in tables)
    difference = float(sums.mean())
    reaches = reach or [0.0] * len(tables)
    of_items = [
        variance_of_mean(t.mean(axis=0), own) for t, own in zip(tables, reaches, strict=True)
    ]
    items = math.fsum(of_items) + fixed
    parts = [(one, table.shape[1] - 1) for one, table in zip(of_items, tables, strict=True)]
    if seeds == 1:
        return Interval(difference, math.sqrt(items), _freedom(items, parts))
    of_seeds = float(sums.var(ddof=1)) / seeds
    both = math.fsum(_interaction(table) / table.size for table in tables)
    variance = max(of_seeds + items - both, of_seeds, items)
    freedom = _freedom(variance, [*parts, (of_seeds, seeds - 1)])
    share = min(1.0, of_seeds / variance) if variance else 0.0
    return Interval(difference, math.sqrt(variance), freedom, share, seeds)


def _interaction(table: "NDArray") -> float:
    """The variance that neither seed nor item explains."""
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    return float((rest**2).sum()) / ((table.shape[0] - 1) * (table.shape[1] - 1))


def _freedom(variance: float, parts: Sequence[tuple[float, int]]) -> float:
    spent = math.fsum(part**2 / freedom for part, freedom in parts)
    return variance**2 / spent if spent else math.inf


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted for so many tests (Holm, "A simple sequentially rejective multiple test procedure",
    Scand. J. Statist. 6, 1979)."""
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[at]))
        adjusted[at] = largest
    return adjusted
