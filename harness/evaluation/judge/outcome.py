"""From verdicts in both orders to win, tie and lose, and the rates that tables hold; no torch."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.store.scores import JUDGE_POINTS, JUDGE_RATE, ScoreRow

WIN, TIE, LOSE = "win", "tie", "lose"
NET_WIN = "net_win"  # the headline of a judged benchmark
_POINTS = {WIN: 1.0, TIE: 0.5, LOSE: 0.0}
_RIDGE = 1e-6  # keeps the length slope finite where length decides every pair


@dataclass(frozen=True)
class Judged:
    """One pair: the verdicts with the candidate as A and as B; null = none. `lengths` are those of
    candidate and baseline in characters. identical: the answers are equal, so nobody was asked.
    refused: the judge would not answer in one of the orders."""

    straight: str | None
    swapped: str | None
    lengths: tuple[int, int]
    identical: bool = False
    refused: bool = False

    @property
    def malformed(self) -> bool:
        """Did one of the two orders give no verdict?"""
        return not self.identical and (self.straight is None or self.swapped is None)

    @property
    def inconsistent(self) -> bool:
        """Do the two orders disagree?"""
        return not self.malformed and self._first() != self._second()

    @property
    def result(self) -> str:
        """win, tie or lose of the candidate; orders that disagree make a tie."""
        return self._first() if not self.inconsistent else TIE

    def _first(self) -> str:
        return {"A": WIN, "B": LOSE}.get(self.straight or "", TIE)

    def _second(self) -> str:
        return {"A": LOSE, "B": WIN}.get(self.swapped or "", TIE)


def rates(judged: Sequence[Judged]) -> list[ScoreRow]:
    """Rows {metric, value, stderr, n, unit, higher_is_better} over the pairs with a verdict.

    net_win = 100 (win - lose) / 2, in points. Equal answers are ties. inconsistency: share of pairs
    whose orders disagree, of those that the judge compared. Of all pairs: malformed is the share
    that lacks a verdict and counts nowhere else, judge_refused the part of it that the judge would
    not answer (refused is what a model answers), identical the share of equal answers.
    length_controlled: see the function of this name.
    """
    valid = [item for item in judged if not item.malformed]
    compared = [item for item in valid if not item.identical]
    rows: list[ScoreRow] = []
    for name, higher in ((WIN, True), (TIE, True), (LOSE, False)):
        rows.append(_rate(name, [item.result == name for item in valid], higher))
    points = [100 * (_POINTS[item.result] - 0.5) for item in valid]
    rows.append(_row(NET_WIN, _mean(points), _error(points), len(valid), JUDGE_POINTS, True))
    rows.append(_rate("inconsistency", [item.inconsistent for item in compared], False))
    rows.append(_rate("malformed", [item.malformed for item in judged], False))
    rows.append(_rate("judge_refused", [item.refused for item in judged], False))
    rows.append(_rate("identical", [item.identical for item in judged], False))
    controlled = length_controlled(valid) if valid else None
    rows.append(_row("length_controlled", controlled, None, len(valid), JUDGE_RATE, True))
    return rows


def length_controlled(judged: Sequence[Judged]) -> float | None:
    """The win rate (a tie counts half) that the candidate would have at equal lengths.

    Logistic regression of the outcome y (1, 1/2, 0) on x = tanh(d / sd(d)), where d is the
    difference of the answers' lengths: P(win) = sigmoid(a + b x); returned is sigmoid(a). After
    length-controlled AlpacaEval (arXiv 2404.04475), without its terms for models and instructions.
    """
    outcomes = [_POINTS[item.result] for item in judged]
    gaps = [float(item.lengths[0] - item.lengths[1]) for item in judged]
    mean = statistics.fmean(outcomes)
    spread = statistics.pstdev(gaps)
    if mean in (0.0, 1.0):
        return mean
    if spread == 0:
        return mean
    places = [math.tanh(gap / spread) for gap in gaps]
    start, slope = math.log(mean / (1 - mean)), 0.0
    for _ in range(100):
        start, slope, moved = _newton(start, slope, places, outcomes)
        if moved < 1e-12:
            break
    return _sigmoid(start)


def _newton(
    start: float, slope: float, places: Sequence[float], outcomes: Sequence[float]
) -> tuple[float, float, float]:
    chances = [_sigmoid(start + slope * x) for x in places]
    errors = [y - p for y, p in zip(outcomes, chances, strict=True)]
    weights = [p * (1 - p) for p in chances]
    g0 = math.fsum(errors)
    g1 = math.fsum(e * x for e, x in zip(errors, places, strict=True)) - _RIDGE * slope
    h00 = math.fsum(weights) + 1e-12
    h01 = math.fsum(w * x for w, x in zip(weights, places, strict=True))
    h11 = math.fsum(w * x * x for w, x in zip(weights, places, strict=True)) + _RIDGE
    determinant = h00 * h11 - h01 * h01
    step0 = (h11 * g0 - h01 * g1) / determinant
    step1 = (h00 * g1 - h01 * g0) / determinant
    largest = max(abs(step0), abs(step1))
    scale = min(1.0, 2.0 / largest) if largest else 1.0
    return start + scale * step0, slope + scale * step1, largest


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _rate(name: str, hits: Sequence[bool], higher: bool) -> ScoreRow:
    values = [float(hit) for hit in hits]
    return _row(name, _mean(values), _error(values), len(values), JUDGE_RATE, higher)


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _error(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def _row(
    metric: str, value: float | None, stderr: float | None, n: int, unit: str, higher: bool
) -> ScoreRow:
    return {
        "subtask": None,
        "metric": metric,
        "filter": "none",
        "value": value,
        "stderr": stderr,
        "n": n,
        "unit": unit,
        "higher_is_better": higher,
    }
