"""Bars of a judge's verdicts: how often the last stage's answers won, tied and lost."""

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.results.figures.beside import OUTCOMES, Beside, Rates
from harness.results.figures.saved import (
    COLORS,
    COLUMN,
    PAGE,
    figure_of,
    legend_below,
    look,
    named,
    saved,
)
from harness.results.groups import Group
from harness.results.runs import suites_in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INKS = ((COLORS[0], "white"), ("#d9d9d9", "black"), (COLORS[1], "black"))
_FILLS = dict(zip(OUTCOMES, _INKS, strict=True))  # an outcome -> its colour and its number's
_ROOM = 0.09  # of a bar that a number takes


def win_tie_lose(groups: Sequence[Group], beside: Beside, digest: str) -> dict[str, bytes] | None:
    """A bar per method and judged suite, against the initial model; None where nothing was
    judged."""
    runs = [run for group in groups for run in group.runs]
    suites = suites_in_order(suite for run in runs for suite in beside.suites(run))
    rates = {suite: [_rates(group, beside, suite) for group in groups] for suite in suites}
    shown = {suite: found for suite, found in rates.items() if any(found)}
    if not shown:
        return None
    with look(digest):
        width = COLUMN if len(shown) == 1 else PAGE
        names = [named(group.method, 1.3) for group in groups]
        figure = figure_of(width, 0.75 + 0.24 * len(groups))
        axes = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
        for one, (suite, found) in zip(axes, shown.items(), strict=True):
            handles = _draw(one, found)
            one.set_xlabel(f"{named(suite, width / len(shown) - 1)}: % of pairs")
            one.set_yticks(range(len(names)), names)
        axes[0].invert_yaxis()
        legend_below(figure, handles, OUTCOMES)
        return saved(figure, "Win, tie and lose against the initial model", digest)


def _draw(axes: "Axes", found: Sequence[Rates | None]) -> list[object]:
    handles: list[object] = []
    known = {row: one for row, one in enumerate(found) if one is not None}
    left = dict.fromkeys(known, 0.0)
    for name, (color, ink) in _FILLS.items():
        widths = {row: 100 * one[name] for row, one in known.items()}
        handles.append(
            axes.barh(list(known), [*widths.values()], 0.75, [*left.values()], color=color)
        )
        for row, wide in widths.items():
            if wide >= 100 * _ROOM:
                place = left[row] + wide / 2, row
                axes.text(*place, f"{wide:.0f}", ha="center", va="center", color=ink)
        left = {row: left[row] + wide for row, wide in widths.items()}
    for row, one in enumerate(found):
        if one is None:
            axes.text(1, row, "not judged", va="center", color="0.4")
    axes.set_xlim(0, 100)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return handles


def _rates(group: Group, beside: Beside, suite: str) -> Rates | None:
    """Means over seeds; None where one has none."""
    found = [one for run in group.runs if (one := beside.judged(run, suite)) is not None]
    if len(found) < len(group.runs):
        return None
    return {name: statistics.fmean(one[name] for one in found) for name in OUTCOMES}
