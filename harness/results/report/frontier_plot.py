"""The picture of `harness frontier`: learning accuracy against backward transfer."""

import io
from collections.abc import Sequence
from textwrap import fill

from harness.results.report.frontier import Point

_REFERENCE, _METHOD = "#555555", "#b3342d"


def frontier_png(
    names: tuple[str, str, str], points: Sequence[Point], curve: Sequence[Point], verdict: str
) -> bytes:
    """A PNG of both curves with their errors, in points, the same bytes each time.

    names: of the method, of its knob, and of what the curve shows over its learning rate.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 5.0), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    method, knob, rival = names
    _draw(axes, curve, _REFERENCE, f"{rival} over its learning rate", "o", "--")
    _draw(axes, points, _METHOD, f"{method} over {knob}", "s", "-")
    axes.set_xlabel("learning accuracy x 100 (more is better)")
    axes.set_ylabel("backward transfer x 100 (more is better)")
    axes.set_title(fill(f"{method}: {verdict}", 78), fontsize=10, loc="left")
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(0.12)
    axes.legend(frameon=False, fontsize=9)
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    return png.getvalue()


def _draw(
    axes: object, points: Sequence[Point], color: str, label: str, marker: str, line: str
) -> None:
    across = [100 * item.learned.value for item in points]
    up = [100 * item.kept.value for item in points]
    axes.errorbar(  # type: ignore[attr-defined]
        across,
        up,
        xerr=[100 * (item.learned.error or 0.0) for item in points],
        yerr=[100 * (item.kept.error or 0.0) for item in points],
        color=color,
        marker=marker,
        linestyle=line,
        markersize=5,
        linewidth=1.3,
        elinewidth=0.7,
        capsize=2,
        label=label,
    )
    offset = (5, 5 if color == _REFERENCE else -10)  # labels of both curves may stand close
    for item, x, y in zip(points, across, up, strict=True):
        axes.annotate(  # type: ignore[attr-defined]
            item.label, (x, y), xytext=offset, textcoords="offset points", fontsize=7, color=color
        )
