"""The picture of `harness frontier`: learning accuracy against backward transfer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.results.figures.saved import (
    COLORS,
    COLUMN,
    MARKS,
    SMALL,
    figure_of,
    legend_below,
    look,
    saved,
)
from harness.results.report.frontier import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_REFERENCE, _METHOD = (COLORS[-1], MARKS[0], "--"), (COLORS[1], MARKS[1], "-")


def frontier_figure(
    names: tuple[str, str, str], points: Sequence[Point], curve: Sequence[Point], verdict: str
) -> dict[str, bytes]:
    """Suffix -> file: both curves with their errors, in points.

    names: of the method, of its knob, and of what the curve shows over its learning rate. verdict:
    metadata, as the title is.
    """
    method, knob, rival = names
    with look(method):
        figure = figure_of(COLUMN, 2.7)
        axes = figure.add_subplot()
        labels = [f"{rival} over its learning rate", f"{method} over {knob}"]
        handles = [_draw(axes, curve, _REFERENCE), _draw(axes, points, _METHOD)]
        axes.set_xlabel("learning accuracy x 100")
        axes.set_ylabel("backward transfer x 100")
        axes.grid(color="0.92", linewidth=0.5)
        axes.margins(0.15)
        legend_below(figure, handles, labels)
        return saved(figure, f"{method}: {verdict}", "in the table beside it")


def _draw(axes: "Axes", points: Sequence[Point], look: tuple[str, str, str]) -> object:
    color, mark, line = look
    across = [100 * item.learned.value for item in points]
    up = [100 * item.kept.value for item in points]
    errors = [
        [100 * (mean.error or 0.0) for mean in means]
        for means in ([item.learned for item in points], [item.kept for item in points])
    ]
    style = {"color": color, "marker": mark, "linestyle": line, "elinewidth": 0.6, "capsize": 1.5}
    drawn = axes.errorbar(across, up, xerr=errors[0], yerr=errors[1], **style)
    beside = {"textcoords": "offset points", "fontsize": SMALL, "color": color}
    offset = (4, 4 if color == _REFERENCE[0] else -9)  # labels of both curves may stand close
    for item, x, y in zip(points, across, up, strict=True):
        axes.annotate(item.label, (x, y), xytext=offset, **beside)
    return drawn
