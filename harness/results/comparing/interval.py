"""Intervals and tests of a number whose variance is estimated in parts.

A part is an estimate with degrees of freedom f of its own; w is its share of the variance.
Student's t with Satterthwaite's degrees of freedom promises too much where a part of few seeds is
small by chance: with three seeds and another part that is known, 95 % intervals would hold the
truth in 92 to 95 of 100 cases. The critical value of Cochran and Cox, sum w t_f ("Experimental
Designs", Wiley 1950, section 4.14), is right where one part is all and too large between: 95.0 to
97.1 there. By Welch's expansion ("The generalization of Student's problem when several different
population variances are involved", Biometrika 34, 1947) it should grow with w^2 / f, so a part's t
counts with a little less than w,

    z + sum g(w) (t_f - z),  g(w) = w - min(1 / 2, 10 a) w (1 - w)^2,

z being that of the normal distribution and a the level, two-sided: 94.8 to 96.6 of 100 cases with
three seeds, 95.0 to 96.2 with more (by numerical integration, like the form of g;
`tests/results/comparing/test_interval.py`). At small levels, those of several tests, even Cochran
and Cox's value is not too large, and g takes little from it. Interval and test have the same
critical value: a difference is called where the interval does not hold 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.05
POWER = 0.8
_LEAST = 1e-9  # no smaller p is told
_HALVINGS = 50  # of the range of log p
_MANY = 1e9  # degrees of freedom that stand for infinitely many

# A variance and its degrees of freedom.
Part = tuple["float | NDArray", "float | NDArray"]


@dataclass(frozen=True)
class Interval:
    """A difference and its standard error, which may be 0 or infinite. shares: of its variance in
    each part, which sum to 1, with the part's degrees of freedom. All of them are numbers, or
    arrays [...] of several differences at once."""

    difference: float
    error: float
    shares: tuple[Part, ...]

    def ends(self) -> "tuple[float, float]":
        """The interval that covers the truth in 95 of 100 cases."""
        half = self.quantile(1 - LEVEL / 2) * self.error
        return self.difference - half, self.difference + half

    def calls(self, level: float) -> bool:
        """Whether a two-sided test at this level tells the difference from 0."""
        return abs(self.difference) > self.quantile(1 - level / 2) * self.error

    def p(self) -> float:
        """Two-sided, of no difference."""
        import numpy as np

        size, none = np.abs(self.difference), np.asarray(self.error) == 0
        certain = np.where(size > 0, np.inf, 0.0)
        ratio = np.where(none, certain, size / np.where(none, 1.0, self.error))
        low, high = np.full_like(ratio, _LEAST), np.ones_like(ratio)
        for _ in range(_HALVINGS):
            middle = np.sqrt(low * high)
            beyond = self.quantile(1 - middle / 2) <= ratio
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        return np.where(ratio > 0, high, 1.0)[()]

    def detectable(self) -> float:
        """The difference that a test at 5 % would find in 80 of 100 cases, with such data: of the
        noncentral t that has the critical value there, with Satterthwaite's degrees of freedom."""
        import numpy as np
        from scipy.special import nctdtrinc

        freedom = np.minimum(satterthwaite(self.shares), _MANY)
        found = nctdtrinc(freedom, 1 - POWER, self.quantile(1 - LEVEL / 2))
        return found * self.error

    def quantile(self, share: float) -> float:
        """Of difference / error where the truth is 0."""
        import numpy as np
        from scipy.special import ndtri, stdtrit

        normal = ndtri(share)
        less = np.minimum(0.5, 20 * np.minimum(share, 1 - share))
        tails = (
            (own - less * own * (1 - own) ** 2)
            * (stdtrit(np.minimum(freedom, _MANY), share) - normal)
            for own, freedom in self.shares
        )
        return normal + sum(tails)


def from_parts(difference: float, parts: Sequence[Part]) -> Interval:
    """Of variances that add up, each with its degrees of freedom (infinite where it is known)."""
    import numpy as np

    total = np.asarray(sum(variance for variance, _ in parts))
    none = total == 0
    shares = tuple(
        (np.where(none, 1 / len(parts), variance / np.where(none, 1.0, total))[()], freedom)
        for variance, freedom in parts
    )
    return Interval(difference, np.sqrt(total)[()], shares)


def satterthwaite(parts: Sequence[Part]) -> "float | NDArray":
    """The degrees of freedom of a sum of estimated variances ("An approximate distribution of
    estimates of variance components", Biometrics Bull. 2, 1946)."""
    import numpy as np

    total = sum(variance for variance, _ in parts)
    spent = np.asarray(sum(np.square(variance) / freedom for variance, freedom in parts))
    known = spent > 0
    return np.where(known, np.square(total) / np.where(known, spent, 1.0), np.inf)[()]


def unknown(difference: float) -> Interval:
    """Of a number of which nothing tells how far it may be from the truth."""
    return Interval(difference, math.inf, ((1.0, math.inf),))


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted for so many tests (Holm, "A simple sequentially rejective multiple test procedure",
    Scand. J. Statist. 6, 1979)."""
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[at]))
        adjusted[at] = largest
    return adjusted
