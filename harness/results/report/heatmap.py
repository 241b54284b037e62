"""Heat map of a score matrix: stages down, tasks across, the score written in every cell."""

import io
import statistics
from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from harness.results.groups import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# One direction of lightness, safe for the common colour blindnesses and in grey; its lightest
# colour differs from the white of a blank cell.
_PALETTE = "YlGnBu"
_WHITE_TEXT_FROM = 0.62
_CELL_INCHES = (0.95, 0.5)
_DPI = 150


def heatmap_png(group: Group, digest: str) -> bytes:
    """Return a PNG of the mean target scores (times 100) of a run-group, the same bytes each time.

    Tasks that a stage t >= 1 has not trained yet are left blank; the one just trained is framed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tasks, stages, cells = group.runs[0].matrix.tasks, *_cells(group)
    labels = [_stage_label(group, stage) for stage in stages]
    margin = 0.6 + 0.085 * max(len(label) for label in labels)
    width = max(margin + _CELL_INCHES[0] * len(tasks) + 0.9, 5.0)
    height = _CELL_INCHES[1] * len(stages) + 1.75
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    image = axes.pcolormesh(
        [[float("nan") if cell is None else 100 * cell for cell in row] for row in cells],
        cmap=_PALETTE,
        vmin=0,
        vmax=100,
        edgecolors="white",
        linewidth=1.5,
    )
    _write_numbers(axes, cells)
    _outline_trained(axes, group, stages)
    _label_axes(axes, tasks, labels)
    axes.set_title(fill(_title(group), int(9 * width)), fontsize=11, loc="left")
    bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05, aspect=25)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.set_label("score x 100", fontsize=9)
    legend = f"framed: task just trained. Scores table: sha256 {digest}"
    figure.supxlabel(legend, fontsize=6, color="0.45", x=0.99, ha="right")
    png = io.BytesIO()
    # Without the software entry, the bytes do not change with matplotlib's version string.
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    return png.getvalue()


def _cells(group: Group) -> tuple[list[int], list[list[float | None]]]:
    """Return the stages that have scores and, for each, the mean score of every task or None."""
    size = group.runs[0].matrix.size
    rows = {stage: [_mean(group, stage, i) for i in range(size)] for stage in range(size + 1)}
    for stage in range(1, size + 1):
        rows[stage][stage:] = [None] * (size - stage)
    kept = [stage for stage, row in rows.items() if any(cell is not None for cell in row)]
    return kept, [rows[stage] for stage in kept]


def _mean(group: Group, stage: int, column: int) -> float | None:
    values = [run.matrix.values[stage][column] for run in group.runs]
    return None if None in values else statistics.fmean(values)


def _stage_label(group: Group, stage: int) -> str:
    if stage == 0:
        return "0  initial"
    matrix = group.runs[0].matrix
    return f"{stage}  {'all tasks' if matrix.schedule == 'joint' else matrix.tasks[stage - 1]}"


def _title(group: Group) -> str:
    seeds = f", mean of {len(group.runs)} seeds" if len(group.runs) > 1 else ""
    return f"{group.method}: {group.model}, {group.sequence}{seeds}"


def _write_numbers(axes: "Axes", cells: Sequence[Sequence[float | None]]) -> None:
    for row, values in enumerate(cells):
        for column, value in enumerate(values):
            if value is not None:
                color = "white" if value >= _WHITE_TEXT_FROM else "black"
                text = f"{100 * value:.1f}"
                position = column + 0.5, row + 0.5
                axes.text(*position, text, ha="center", va="center", color=color, fontsize=9)


def _outline_trained(axes: "Axes", group: Group, stages: Sequence[int]) -> None:
    """Frame the cell of the task that a stage has just trained."""
    from matplotlib.patches import Rectangle

    if group.runs[0].matrix.schedule not in ("sequential", "single"):
        return
    for row, stage in enumerate(stages):
        if stage > 0:
            frame = Rectangle((stage - 1, row), 1, 1, fill=False, lw=1.6, clip_on=False)
            axes.add_patch(frame)


def _label_axes(axes: "Axes", tasks: Sequence[str], stages: Sequence[str]) -> None:
    axes.invert_yaxis()
    axes.set_xticks([column + 0.5 for column in range(len(tasks))], tasks, fontsize=8.5)
    axes.set_yticks([row + 0.5 for row in range(len(stages))], stages, fontsize=8.5)
    axes.set_xlabel("scored on task", fontsize=9)
    axes.set_ylabel("after stage", fontsize=9, labelpad=8)
    if max(len(task) for task in tasks) > 11:
        axes.tick_params(axis="x", labelrotation=30)
        for label in axes.get_xticklabels():
            label.set_ha("right")
            label.set_rotation_mode("anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
