"""Curves over stages, and methods as points: what was learned, what was kept, what it cost."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.results.figures.saved import (
    COLORS,
    COLUMN,
    MARKS,
    PAGE,
    figure_of,
    hide_rest,
    look,
    rows_and_columns,
    saved,
)
from harness.results.groups import Group
from harness.results.measures.continual import MEASURES, Estimate
from harness.results.runs import Run, suites_in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = list[tuple[int, float]]


def task_curves(groups: Sequence[Group], digest: str) -> dict[str, bytes] | None:
    """Every task over the stages, a small plot per method; None where no run has several stages."""
    having = [group for group in groups if group.runs[0].matrix.schedule == "sequential"]
    names = list(dict.fromkeys(task for group in having for task in group.runs[0].matrix.tasks))

    def of(group: Group, name: str) -> Curve:
        tasks = group.runs[0].matrix.tasks
        if name not in tasks:
            return []
        at = tasks.index(name)
        return _curve(group, lambda run, stage: run.matrix.values[stage][at], at + 1)

    return _panel(having, names, of, "Scores of tasks after their own stage", digest)


def suite_curves(groups: Sequence[Group], digest: str) -> dict[str, bytes] | None:
    """The mean score of every suite over the stages, a small plot per method; None where no suite
    was scored at several."""
    runs = [run for group in groups for run in group.runs]
    names = suites_in_order(item.suite for run in runs for item in run.benchmarks)

    def of(group: Group, name: str) -> Curve:
        return _curve(group, lambda run, stage: _suite(run, name, stage), 0)

    having = [group for group in groups if any(len(of(group, name)) > 1 for name in names)]
    return _panel(having, names, of, "Suites over stages", digest)


def learned_and_kept(groups: Sequence[Group], digest: str) -> dict[str, bytes] | None:
    """Learning accuracy against backward transfer, a point per method."""
    return _points(groups, _measure("learning_accuracy"), _measure("bwt"), digest, "learned")


def score_and_cost(groups: Sequence[Group], digest: str) -> dict[str, bytes] | None:
    """Overall performance against device hours, a point per method."""

    def hours(run: Run) -> Estimate:
        spent = run.costs.get("device_hours")
        return Estimate(None if spent is None else spent / 100)

    return _points(groups, hours, _measure("op"), digest, "cost")


_AXES = {
    "learned": ("learning accuracy x 100", "backward transfer x 100", "Learned and kept"),
    "cost": ("device hours", "overall performance x 100", "Performance and cost"),
}


def _measure(name: str) -> Callable[[Run], Estimate]:
    return lambda run: MEASURES[name].of(run.matrix)


def _curve(group: Group, of: Callable[[Run, int], float | None], first: int) -> Curve:
    """(stage, mean over seeds x 100) from a stage on, where all seeds have a score."""
    found = []
    for stage in range(first, group.runs[0].matrix.size + 1):
        values = [of(run, stage) for run in group.runs]
        if None not in values:
            found.append((stage, 100 * statistics.fmean(values)))  # type: ignore[type-var]
    return found


def _suite(run: Run, name: str, stage: int) -> float | None:
    values = [item.at(stage).value for item in run.benchmarks if item.suite == name]
    return None if not values or None in values else statistics.fmean(values)  # type: ignore[type-var]


def _panel(
    groups: Sequence[Group],
    names: Sequence[str],
    of: Callable[[Group, str], Curve],
    title: str,
    digest: str,
) -> dict[str, bytes] | None:
    if not groups or not names:
        return None
    rows, columns = rows_and_columns(len(groups), 4)
    with look(digest):
        figure = figure_of(PAGE, 1.55 * rows + 0.2 + 0.14 * -(-len(names) // 5))
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for one, group in zip(axes.ravel(), groups, strict=False):
            one.set_title(group.method, loc="left", pad=3)
            one.set_ylim(-3, 103)
            for at, name in enumerate(names):
                curve = of(group, name)
                style = {"color": COLORS[at % len(COLORS)], "marker": MARKS[at % len(MARKS)]}
                one.plot([s for s, _ in curve], [v for _, v in curve], label=name, **style)
        hide_rest(axes.ravel(), len(groups))
        for one in axes[-1]:
            one.set_xlabel("after stage")
            one.xaxis.get_major_locator().set_params(integer=True)
        for one in axes[:, 0]:
            one.set_ylabel("score x 100")
        _legend(figure, axes.ravel()[0], len(names))
        return saved(figure, title, digest)


def _legend(figure: "Figure", axes: "Axes", count: int) -> None:
    lines, labels = axes.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=min(count, 5))


def _points(
    groups: Sequence[Group],
    across: Callable[[Run], Estimate],
    up: Callable[[Run], Estimate],
    digest: str,
    kind: str,
) -> dict[str, bytes] | None:
    """None where fewer than two methods have both."""
    places = list(_places(groups, across, up))
    if len(places) < 2:
        return None
    label_x, label_y, title = _AXES[kind]
    with look(digest):
        figure = figure_of(COLUMN, 2.5)
        axes = figure.add_subplot()
        axes.set_xlabel(label_x)
        axes.set_ylabel(label_y)
        for at, (name, (x, dx), (y, dy)) in enumerate(places):
            color, mark = COLORS[at % len(COLORS)], MARKS[at % len(MARKS)]
            error = {"elinewidth": 0.6, "capsize": 1.5, "linestyle": "none"}
            axes.errorbar(x, y, xerr=dx, yerr=dy, color=color, marker=mark, label=name, **error)
        axes.grid(color="0.92", linewidth=0.5)
        axes.margins(0.1)
        figure.legend(loc="outside lower center", ncols=3)
        return saved(figure, title, digest)


def _places(
    groups: Sequence[Group],
    across: Callable[[Run], Estimate],
    up: Callable[[Run], Estimate],
) -> Iterator[tuple[str, tuple[float, float], tuple[float, float]]]:
    """A method with the mean over seeds x 100 of both, and their standard deviation over seeds, or
    the item error of a single one (0 where unknown)."""
    for group in groups:
        pairs = [[of(run) for run in group.runs] for of in (across, up)]
        if all(one.value is not None for pair in pairs for one in pair):
            yield group.method, _spread_out(pairs[0]), _spread_out(pairs[1])


def _spread_out(found: Sequence[Estimate]) -> tuple[float, float]:
    values = [100 * (one.value or 0.0) for one in found]
    if len(values) > 1:
        return statistics.fmean(values), statistics.stdev(values)
    return values[0], 100 * (found[0].item_error or 0.0)
