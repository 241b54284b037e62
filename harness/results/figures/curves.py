"""Curves over stages, a small plot per method."""

import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from harness.results.figures.saved import (
    PAGE,
    figure_of,
    legend_below,
    legend_height,
    look,
    named,
    outer_labels,
    rows_and_columns,
    saved,
    style,
)
from harness.results.groups import Group
from harness.results.runs import Run, suites_in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = list[tuple[int, float, float]]  # stage, mean over seeds x 100, its deviation (0 of one)
_MOST = 16  # curves with colours and marks of their own; more are coloured in their order


def task_curves(groups: Sequence[Group], digest: str) -> dict[str, bytes] | None:
    """Every task over the stages; None where no run has several of them."""
    names = list(dict.fromkeys(task for group in groups for task in group.runs[0].matrix.tasks))

    def of(group: Group, name: str) -> Curve:
        matrix = group.runs[0].matrix
        if name not in matrix.tasks or matrix.schedule != "sequential":
            return []
        at = matrix.tasks.index(name)
        return curve(group, lambda run, stage: run.matrix.values[stage][at], at + 1)

    return _panel(groups, names, of, "Scores of tasks after their own stage", digest)


def suite_curves(groups: Sequence[Group], digest: str) -> dict[str, bytes] | None:
    """The mean score of every suite over the stages; None where none was scored at several."""
    runs = [run for group in groups for run in group.runs]
    names = suites_in_order(item.suite for run in runs for item in run.benchmarks)

    def of(group: Group, name: str) -> Curve:
        return curve(group, lambda run, stage: _suite(run, name, stage), 0)

    return _panel(groups, names, of, "Suites over stages", digest)


def curve(group: Group, of: Callable[[Run, int], float | None], first: int) -> Curve:
    """From a stage on, where all seeds have a score."""
    found = []
    for stage in range(first, group.runs[0].matrix.size + 1):
        values = [value for run in group.runs if (value := of(run, stage)) is not None]
        if len(values) == len(group.runs):
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            found.append((stage, 100 * statistics.fmean(values), 100 * spread))
    return found


def _suite(run: Run, name: str, stage: int) -> float | None:
    found = [item.at(stage).value for item in run.benchmarks if item.suite == name]
    values = [value for value in found if value is not None]
    return statistics.fmean(values) if values and len(values) == len(found) else None


def _panel(
    groups: Sequence[Group],
    names: Sequence[str],
    of: Callable[[Group, str], Curve],
    title: str,
    digest: str,
) -> dict[str, bytes] | None:
    """None where no method has a curve of two stages."""
    curves = [(group, [of(group, name) for name in names]) for group in groups]
    shown = [(group, own) for group, own in curves if any(len(one) > 1 for one in own)]
    if not shown:
        return None
    rows, columns = rows_and_columns(len(shown), 4)
    with look(digest):
        below = legend_height(names, PAGE) if len(names) <= _MOST else 0.4
        figure = figure_of(PAGE, 1.5 * rows + 0.2 + below)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for one, (group, own) in zip(axes.ravel(), shown, strict=False):
            one.set_title(named(group.method, PAGE / columns - 0.4), loc="left", pad=3)
            one.set_ylim(-3, 103)
            handles = [_draw(one, values, _style(at, len(own))) for at, values in enumerate(own)]
        outer_labels(axes, len(shown), "after stage", "score x 100")
        axes[0, 0].xaxis.get_major_locator().set_params(integer=True)
        if len(names) <= _MOST:
            legend_below(figure, handles, names)
        else:
            _scale_below(figure, axes, len(names))
        return saved(figure, title, digest)


def _draw(axes: "Axes", values: Curve, look: dict[str, Any]) -> Any:
    across, up, errors = ([value[part] for value in values] for part in range(3))
    bars = {"yerr": errors, "elinewidth": 0.5, "capsize": 1} if any(errors) else {}
    return axes.errorbar(across, up, **look, **bars)


def _style(at: int, count: int) -> dict[str, Any]:
    if count <= _MOST:
        return style(at)
    import matplotlib

    return {"color": matplotlib.colormaps["cividis"](at / (count - 1)), "linewidth": 0.7}


def _scale_below(figure: "Figure", axes: Any, count: int) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(1, count), "cividis")
    places = axes.ravel().tolist()
    bar = figure.colorbar(scale, ax=places, orientation="horizontal", aspect=50, fraction=0.04)
    bar.outline.set_visible(False)
    bar.set_label("task, in the order of training")
