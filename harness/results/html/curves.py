"""Curves of a training log as SVG: stages one behind the other, colours from the page's style."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.results.html.markup import Html, element, joined

WIDTH, HEIGHT = 720, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 8, 18, 22
_POINTS = 160  # drawn of a stage; each stands for the mean of the steps around it
_TICKS = 4
_ROUND = (1, 2, 5)
_LETTER = 5.8  # how wide one is, about


# Numbers of a damaged log may be any; beyond these they are drawn as if they were these.
_SMALLEST, _LARGEST = 1e-30, 1e30


@dataclass(frozen=True)
class Series:
    """One stage's values, a step each; None where a value is no finite number."""

    label: str
    values: Sequence[float | None]


def curve(title: str, stages: Sequence[Series], log: bool = False) -> Html:
    """A picture of one quantity over the steps of all stages; empty where no number is known.

    log: the axis is logarithmic; values that are not above 0 are left out.
    """
    stages = [Series(stage.label, [*map(_drawn, stage.values)]) for stage in stages]
    known = [v for stage in stages for v in stage.values if v is not None and (v > 0 or not log)]
    total = sum(len(stage.values) for stage in stages)
    if not known:
        return Html("")
    scale = _Scale.of(known, log)
    parts, start = [_axis(scale)], 0
    for number, stage in enumerate(stages):
        parts.append(_stage(stage, start, total, scale, number))
        start += len(stage.values)
    lowest, highest = f"{min(known):.3g}", f"{max(known):.3g}"
    told = f"{title}: {total} steps in {len(stages)} stages, from {lowest} to {highest}"
    picture = element(
        "svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=told, class_="curve"
    )
    return element("figure", element("figcaption", title), picture)


def _drawn(value: float | None) -> float | None:
    if value is None or abs(value) < _SMALLEST:
        return None if value is None else 0.0
    return max(-_LARGEST, min(_LARGEST, value))


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, known: Sequence[float], log: bool) -> "_Scale":
        low, high = min(known), max(known)
        if log:
            return cls(math.log10(low) - 0.05, math.log10(high) + 0.05, log)
        low, high = min(0.0, low), max(0.0, high)
        return cls(low, high + 0.05 * (high - low) if low < high else 1.0, log)

    def place(self, value: float) -> float:
        """The height of a value in the picture."""
        share = ((math.log10(value) if self.log else value) - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    def ticks(self) -> list[float]:
        """Values that the axis names: round ones."""
        span = self.high - self.low
        if self.log:
            decades = range(math.floor(self.low), math.ceil(self.high) + 1)
            inner = [f * 10.0**d for d in decades for f in _ROUND]
            inner = [tick for tick in inner if self.low <= math.log10(tick) <= self.high]
            return inner[:: math.ceil(len(inner) / (_TICKS + 2)) or 1]
        step = 10 ** math.floor(math.log10(span / _TICKS))
        step *= next(factor for factor in (*_ROUND, 10) if span / (step * factor) <= _TICKS + 1)
        first = math.ceil(self.low / step)
        return [i * step for i in range(first, math.floor(self.high / step) + 1)]


def _axis(scale: _Scale) -> Html:
    return joined(
        joined(
            (
                element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="rule"),
                element("text", f"{tick:g}", x=_LEFT - 6, y=y, class_="tick"),
            )
        )
        for tick, y in ((tick, f"{scale.place(tick):.1f}") for tick in dict.fromkeys(scale.ticks()))
    )


def _stage(stage: Series, start: int, total: int, scale: _Scale, number: int) -> Html:
    """A stage's line, where it begins, and its label where there is room for one."""
    unit = (WIDTH - _LEFT - _RIGHT) / total
    left, width = _LEFT + start * unit, len(stage.values) * unit
    points = " ".join(
        f"{left + (at + 0.5) * unit:.1f},{scale.place(value):.1f}"
        for at, value in _thinned(stage.values)
        if value > 0 or not scale.log
    )
    room = int(width / _LETTER)
    fits = len(stage.label) <= room
    label = stage.label if fits else f"{stage.label[: room - 1]}…" if room > 3 else ""
    middle, foot = f"{left + width / 2:.1f}", HEIGHT - 6
    x = f"{left:.1f}"
    return joined(
        (
            element("line", x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM, class_="stage"),
            element("polyline", points=points, class_=f"line line{number % 2}"),
            element("text", label, x=middle, y=foot, class_="label"),
        )
    )


def _thinned(values: Sequence[float | None]) -> list[tuple[float, float]]:
    """(place, value) of at most _POINTS means over neighbouring steps."""
    width = max(1, math.ceil(len(values) / _POINTS))
    found = []
    for at in range(0, len(values), width):
        some = [value for value in values[at : at + width] if value is not None]
        if some:
            found.append((at + (width - 1) / 2, math.fsum(some) / len(some)))
    return found
