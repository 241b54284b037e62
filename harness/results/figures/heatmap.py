"""Heat maps of score matrices: stages down, tasks across, the score written in every cell."""

import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.results.figures.saved import (
    COLUMN,
    PAGE,
    SMALL,
    figure_of,
    look,
    named,
    outer_labels,
    rows_and_columns,
    saved,
)
from harness.results.groups import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# One direction of lightness, safe for the common colour blindnesses and in grey; its lightest
# colour differs from the white of a blank cell.
_PALETTE = "YlGnBu"
_WHITE_TEXT_FROM = 0.62
# Inches: the least width of a cell with a number, in one matrix (63.6) and in a panel (64), the
# height of a line in it, what labels and scale take beside the cells, and a printed page's height.
_CELL, _SMALL_CELL, _LINE, _BESIDE, _TALL = 0.29, 0.225, 0.1, 0.85, 9.3


@dataclass(frozen=True)
class _Cells:
    """The stages of a group that have scores; for each, mean and deviation over seeds by task."""

    stages: list[int]
    means: list[list[float | None]]
    spreads: list[list[float | None]]


def heatmap(group: Group, digest: str) -> dict[str, bytes]:
    """Suffix -> file: mean target scores (times 100) of a run-group, below them their standard
    deviation over seeds. Tasks that a stage t >= 1 has not trained yet are left blank; the one just
    trained is framed. Of more tasks than fit a page with numbers, the colours alone."""
    tasks, cells = group.runs[0].matrix.tasks, _cells(group)
    width = COLUMN if _CELL * len(tasks) <= COLUMN - _BESIDE else PAGE
    written = _CELL * len(tasks) <= width - _BESIDE
    lines = 1 + (len(group.runs) > 1) if written else 0
    with look(digest):
        below = 0.35 + (0.045 * max(map(len, tasks)) if written else 0)
        figure = figure_of(width, below + (0.12 + _LINE * lines) * len(cells.stages) + 0.1)
        axes = figure.add_subplot()
        image = _draw(axes, group, cells)
        if written:
            _write_numbers(axes, cells, 1)
        _label_axes(axes, group, cells, tasks if written else None)
        axes.set_ylabel("after stage")
        bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05, aspect=25)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=2)
        return saved(figure, f"Score matrix: {_title(group)}", digest)


def panel(groups: Sequence[Group], digest: str) -> dict[str, bytes] | None:
    """All methods in one picture with one scale; with numbers where a page has room for them. None
    where there are fewer than two."""
    if len(groups) < 2:
        return None
    found = [_cells(group) for group in groups]
    tasks = max(len(group.runs[0].matrix.tasks) for group in groups)
    most = max(len(cells.stages) for cells in found)
    lines = 1 + any(len(group.runs) > 1 for group in groups)
    rows, columns = rows_and_columns(len(groups), max(1, _beside(tasks, _SMALL_CELL)))
    below = 0.3 + 0.12 * len(_legend(groups).splitlines())
    height = 0.21 + (0.02 + _LINE * lines) * most
    written = _beside(tasks, _SMALL_CELL) > 0 and rows * height + below <= _TALL
    if not written:
        rows, columns = rows_and_columns(len(groups), max(1, _beside(tasks, 0.07)))
        height = 0.21 + min(0.16, (PAGE - _BESIDE) / columns / tasks) * most
    with look(digest):
        figure = figure_of(PAGE, rows * height + below)
        axes = figure.subplots(rows, columns, squeeze=False)
        outer_labels(axes, len(groups), "", "after stage")
        for one, group, cells in zip(axes.ravel(), groups, found, strict=False):
            image = _draw(one, group, cells)
            one.set_title(named(group.method, PAGE / columns - 0.3), loc="left", pad=3)
            _label_axes(one, group, cells, None)
            one.tick_params(labelleft=True)  # methods differ in the stages that they have
            one.set_ylim(most, 0)  # cells of one size, whatever a method has
            if written:
                _write_numbers(one, cells, 0)
        figure.supxlabel(_legend(groups), fontsize=SMALL)
        bar = figure.colorbar(image, ax=axes.ravel().tolist(), pad=0.01, fraction=0.03, aspect=30)
        bar.outline.set_visible(False)
        bar.set_label("score x 100")
        return saved(figure, "Score matrices of all methods", digest)


def _beside(tasks: int, cell: float) -> int:
    """How many matrices with cells of this width stand beside each other, four at most."""
    return min(4, int((PAGE - _BESIDE) / (tasks * cell + 0.2)))


def _legend(groups: Sequence[Group]) -> str:
    """What the numbers of tasks stand for, where that is the same for all."""
    orders = {group.runs[0].matrix.tasks for group in groups}
    if len(orders) > 1:
        return "task, in the order of training"
    names = ", ".join(f"{at}\N{NO-BREAK SPACE}{name}" for at, name in enumerate(orders.pop(), 1))
    return "task: " + "\n".join(textwrap.wrap(names, 110))


def _draw(axes: "Axes", group: Group, cells: _Cells) -> Any:
    image = axes.pcolormesh(
        [[float("nan") if cell is None else 100 * cell for cell in row] for row in cells.means],
        cmap=_PALETTE,
        vmin=0,
        vmax=100,
        edgecolors="white",
        linewidth=0.8,
    )
    axes.invert_yaxis()
    _outline_trained(axes, group, cells.stages)
    return image


def _cells(group: Group) -> _Cells:
    size = group.runs[0].matrix.size
    values = {
        stage: [_values(group, stage, i) if stage == 0 or i < stage else None for i in range(size)]
        for stage in range(size + 1)
    }
    stages = [stage for stage, row in values.items() if any(cell is not None for cell in row)]
    means = [[_over(statistics.fmean, cell, 1) for cell in values[stage]] for stage in stages]
    spreads = [[_over(statistics.stdev, cell, 2) for cell in values[stage]] for stage in stages]
    return _Cells(stages, means, spreads)


def _over(what: Any, values: list[float] | None, least: int) -> float | None:
    return None if values is None or len(values) < least else what(values)


def _values(group: Group, stage: int, column: int) -> list[float] | None:
    """Of all seeds; None where one has no score."""
    values = [run.matrix.values[stage][column] for run in group.runs]
    return None if None in values else values


def _title(group: Group) -> str:
    seeds = f", mean of {len(group.runs)} seeds" if len(group.runs) > 1 else ""
    return f"{group.method}: {group.model}, {group.sequence}{seeds}"


def _write_numbers(axes: "Axes", cells: _Cells, digits: int) -> None:
    for row, values in enumerate(cells.means):
        for column, value in enumerate(values):
            if value is not None:
                color = "white" if value >= _WHITE_TEXT_FROM else "black"
                text = _short(100 * value, digits)
                spread = cells.spreads[row][column]
                text += "" if spread is None else f"\n±{_brief(100 * spread, digits)}"
                place = column + 0.5, row + 0.5
                number = axes.text(*place, text, ha="center", va="center", color=color)
                number.set_linespacing(1.05)
                number.set_in_layout(False)  # it lies in its cell: nothing makes room for it


def _short(points: float, digits: int) -> str:
    """Without what has no room: 100.0 is 100."""
    return "100" if points >= 99.95 else f"{points:.{digits}f}"


def _brief(points: float, digits: int) -> str:
    """As many digits as scores have, but from 10 on none behind the point."""
    return f"{points:.0f}" if points >= 9.95 else f"{points:.{digits}f}"


def _outline_trained(axes: "Axes", group: Group, stages: Sequence[int]) -> None:
    """Frame the cell of the task that a stage has just trained."""
    from matplotlib.patches import Rectangle

    if group.runs[0].matrix.schedule not in ("sequential", "single"):
        return
    for row, stage in enumerate(stages):
        if stage > 0:
            frame = Rectangle((stage - 1, row), 1, 1, fill=False, lw=1.0, clip_on=False)
            axes.add_patch(frame)


def _label_axes(axes: "Axes", group: Group, cells: _Cells, names: Sequence[str] | None) -> None:
    """Stages at the left; below the names of tasks, or their numbers where there are none."""
    matrix = group.runs[0].matrix
    last = "all" if matrix.schedule == "joint" else str(matrix.size)
    stages = [last if stage == matrix.size else str(stage) for stage in cells.stages]
    _ticks(axes.set_yticks, stages)
    if names is None:
        _ticks(axes.set_xticks, [str(at + 1) for at in range(matrix.size)])
    else:
        axes.set_xticks([column + 0.5 for column in range(len(names))], names)
        if max(map(len, names)) > 4:
            axes.tick_params(axis="x", labelrotation=40)
            for label in axes.get_xticklabels():
                label.set_ha("right")
                label.set_rotation_mode("anchor")
    axes.tick_params(length=0, left=False, bottom=False)
    axes.spines[:].set_visible(False)


def _ticks(place: Any, labels: Sequence[str]) -> None:
    """At most about twenty of them, the first and then every so many."""
    step = -(-len(labels) // 20)
    place([at + 0.5 for at in range(0, len(labels), step)], labels[::step])
