"""Heat maps of score matrices: stages down, tasks across, the score written in every cell."""

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.results.figures.saved import (
    COLUMN,
    PAGE,
    SMALL,
    figure_of,
    hide_rest,
    look,
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
_CELL = (0.31, 0.22)  # inches
_SPREAD = 0.11  # inches more where a cell has a second line


def heatmap(group: Group, digest: str) -> dict[str, bytes]:
    """Suffix -> file: mean target scores (times 100) of a run-group, below them their standard
    deviation over seeds. Tasks that a stage t >= 1 has not trained yet are left blank; the one just
    trained is framed."""
    tasks, (stages, cells) = group.runs[0].matrix.tasks, _cells(group)
    spreads = [[_spread(group, stage, i) for i in range(len(tasks))] for stage in stages]
    labels = [_stage_label(group, stage) for stage in stages]
    margin = 0.35 + 0.06 * max(map(len, labels))
    below = 0.35 + 0.045 * max(map(len, tasks))
    height = _CELL[1] + (_SPREAD if len(group.runs) > 1 else 0)
    width = max(COLUMN, margin + _CELL[0] * len(tasks) + 0.5)
    with look(digest):
        figure = figure_of(width, below + height * len(stages) + 0.1)
        axes = figure.add_subplot()
        image = _draw(axes, group, stages, cells)
        _write_numbers(axes, cells, spreads)
        _label_axes(axes, tasks, labels)
        bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05, aspect=25)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=2)
        return saved(figure, f"Score matrix: {_title(group)}", digest)


def panel(groups: Sequence[Group], digest: str) -> dict[str, bytes]:
    """All methods in one picture with one scale."""
    rows, columns = rows_and_columns(len(groups), 4)
    tasks = max(len(group.runs[0].matrix.tasks) for group in groups)
    most = max(len(_cells(group)[0]) for group in groups)
    with look(digest):
        figure = figure_of(PAGE, rows * (0.35 + PAGE / columns * 0.8) + 0.25)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for one, group in zip(axes, groups, strict=False):
            image = _draw(one, group, *_cells(group))
            one.set_title(group.method, loc="left", pad=3)
            one.set_xticks([i + 0.5 for i in range(tasks)], [str(i + 1) for i in range(tasks)])
            stages = _cells(group)[0]
            one.set_yticks([i + 0.5 for i in range(len(stages))], [str(s) for s in stages])
            one.set_ylim(most, 0)  # cells of one size, whatever a method has
            _bare(one)
        hide_rest(axes, len(groups))
        figure.supxlabel("task", fontsize=SMALL)
        figure.supylabel("after stage", fontsize=SMALL)
        bar = figure.colorbar(image, ax=axes.tolist(), pad=0.01, fraction=0.03, aspect=30)
        bar.outline.set_visible(False)
        bar.set_label("score x 100")
        return saved(figure, "Score matrices of all methods", digest)


def _draw(
    axes: "Axes", group: Group, stages: Sequence[int], cells: Sequence[Sequence[float | None]]
) -> Any:
    image = axes.pcolormesh(
        [[float("nan") if cell is None else 100 * cell for cell in row] for row in cells],
        cmap=_PALETTE,
        vmin=0,
        vmax=100,
        edgecolors="white",
        linewidth=0.8,
    )
    axes.invert_yaxis()
    _outline_trained(axes, group, stages)
    return image


def _cells(group: Group) -> tuple[list[int], list[list[float | None]]]:
    """The stages that have scores and, for each, the mean score of every task or None."""
    size = group.runs[0].matrix.size
    rows = {stage: [_mean(group, stage, i) for i in range(size)] for stage in range(size + 1)}
    for stage in range(1, size + 1):
        rows[stage][stage:] = [None] * (size - stage)
    kept = [stage for stage, row in rows.items() if any(cell is not None for cell in row)]
    return kept, [rows[stage] for stage in kept]


def _values(group: Group, stage: int, column: int) -> list[float] | None:
    values = [run.matrix.values[stage][column] for run in group.runs]
    return None if None in values else values


def _mean(group: Group, stage: int, column: int) -> float | None:
    values = _values(group, stage, column)
    return None if values is None else statistics.fmean(values)


def _spread(group: Group, stage: int, column: int) -> float | None:
    values = _values(group, stage, column)
    return statistics.stdev(values) if values is not None and len(values) > 1 else None


def _stage_label(group: Group, stage: int) -> str:
    if stage == 0:
        return "0 initial"
    matrix = group.runs[0].matrix
    return f"{stage} {'all tasks' if matrix.schedule == 'joint' else matrix.tasks[stage - 1]}"


def _title(group: Group) -> str:
    seeds = f", mean of {len(group.runs)} seeds" if len(group.runs) > 1 else ""
    return f"{group.method}: {group.model}, {group.sequence}{seeds}"


def _write_numbers(
    axes: "Axes",
    cells: Sequence[Sequence[float | None]],
    spreads: Sequence[Sequence[float | None]],
) -> None:
    for row, values in enumerate(cells):
        for column, value in enumerate(values):
            if value is not None:
                color = "white" if value >= _WHITE_TEXT_FROM else "black"
                text = "100" if value >= 0.9995 else f"{100 * value:.1f}"
                spread = spreads[row][column]
                text += "" if spread is None else f"\n± {100 * spread:.1f}"
                place = column + 0.5, row + 0.5
                axes.text(*place, text, ha="center", va="center", color=color, linespacing=1.05)


def _outline_trained(axes: "Axes", group: Group, stages: Sequence[int]) -> None:
    """Frame the cell of the task that a stage has just trained."""
    from matplotlib.patches import Rectangle

    if group.runs[0].matrix.schedule not in ("sequential", "single"):
        return
    for row, stage in enumerate(stages):
        if stage > 0:
            frame = Rectangle((stage - 1, row), 1, 1, fill=False, lw=1.0, clip_on=False)
            axes.add_patch(frame)


def _label_axes(axes: "Axes", tasks: Sequence[str], stages: Sequence[str]) -> None:
    axes.set_xticks([column + 0.5 for column in range(len(tasks))], tasks)
    axes.set_yticks([row + 0.5 for row in range(len(stages))], stages)
    if max(map(len, tasks)) > 4:
        axes.tick_params(axis="x", labelrotation=40)
        for label in axes.get_xticklabels():
            label.set_ha("right")
            label.set_rotation_mode("anchor")
    _bare(axes)


def _bare(axes: "Axes") -> None:
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
