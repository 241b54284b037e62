"""Methods as points: what was learned and kept, what it cost, and how much of it is form."""

import statistics
from collections.abc import Callable, Iterator, Sequence

from harness.results.figures.beside import Beside
from harness.results.figures.saved import (
    COLUMN,
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
from harness.results.measures.continual import MEASURES, Estimate
from harness.results.runs import Run

Place = tuple[float, float]  # a value and its spread
_BARS = {"elinewidth": 0.6, "capsize": 1.5, "linestyle": "none"}


def learned_and_kept(groups: Sequence[Group], digest: str) -> dict[str, bytes] | None:
    """Learning accuracy against backward transfer, a point per method."""
    labels = "learning accuracy x 100", "backward transfer x 100"
    return _points(
        groups, _measure("learning_accuracy"), _measure("bwt"), labels, "Learned and kept", digest
    )


def score_and_cost(groups: Sequence[Group], digest: str) -> dict[str, bytes] | None:
    """Overall performance against device hours, a point per method."""

    def hours(run: Run) -> Estimate:
        spent = run.costs.get("device_hours")
        return Estimate(None if spent is None else spent / 100)

    labels = "device hours", "overall performance x 100"
    return _points(groups, hours, _measure("op"), labels, "Performance and cost", digest)


def strict_and_lenient(
    groups: Sequence[Group], beside: Beside, digest: str
) -> dict[str, bytes] | None:
    """Strict against lenient score of every task when all are trained, a small plot per method:
    what lies above the line has lost its form and not what it says. None where no score has a
    lenient one."""
    found = [(group, pairs) for group in groups if (pairs := _pairs(group, beside))]
    names = list(dict.fromkeys(name for _, pairs in found for name in pairs))
    if not found:
        return None
    rows, columns = rows_and_columns(len(found), 4)
    with look(digest):
        width = COLUMN if columns < 3 else PAGE
        height = (width / columns - 0.1) * rows + 0.4
        figure = figure_of(width, height + legend_height(names, width))
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        handles = {}
        for one, (group, pairs) in zip(axes.ravel(), found, strict=False):
            one.set_title(named(group.method, width / columns - 0.4), loc="left", pad=3)
            one.plot([0, 100], [0, 100], color="0.8", zorder=0)
            one.set(xlim=(-4, 104), ylim=(-4, 104))
            for name, ((x, dx), (y, dy)) in pairs.items():
                bars = {"xerr": dx, "yerr": dy} if len(group.runs) > 1 else {}
                look_of = style(names.index(name))
                handles[name] = one.errorbar(x, y, **look_of, **_BARS, **bars)
        outer_labels(axes, len(found), "strict x 100", "lenient x 100")
        legend_below(figure, [handles[name] for name in names], names)
        return saved(figure, "Strict and lenient scores after the last stage", digest)


def _pairs(group: Group, beside: Beside) -> dict[str, tuple[Place, Place]]:
    """Task -> strict and lenient score of the last stage, where all seeds have both."""
    found = {}
    for at, name in enumerate(group.runs[0].matrix.tasks):
        sides: list[list[float]] = [[], []]
        for run in group.runs:
            stage = at + 1 if run.last_stage is None else run.last_stage
            strict = run.matrix.values[stage][at]
            lenient = beside.lenient_score(run, stage, name)
            if strict is not None and lenient is not None:
                sides[0].append(strict)
                sides[1].append(lenient)
        if len(sides[0]) == len(group.runs):
            found[name] = _spread_out(sides[0]), _spread_out(sides[1])
    return found


def _measure(name: str) -> Callable[[Run], Estimate]:
    return lambda run: MEASURES[name].of(run.matrix)


def _points(
    groups: Sequence[Group],
    across: Callable[[Run], Estimate],
    up: Callable[[Run], Estimate],
    labels: tuple[str, str],
    title: str,
    digest: str,
) -> dict[str, bytes] | None:
    """None where fewer than two methods have both."""
    places = list(_places(groups, across, up))
    if len(places) < 2:
        return None
    names = [name for name, _, _ in places]
    with look(digest):
        figure = figure_of(COLUMN, 2.0 + legend_height(names, COLUMN))
        axes = figure.add_subplot()
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        handles = [
            axes.errorbar(x, y, xerr=dx, yerr=dy, **style(at), **_BARS)
            for at, (_, (x, dx), (y, dy)) in enumerate(places)
        ]
        axes.grid(color="0.92", linewidth=0.5)
        axes.margins(0.1)
        legend_below(figure, handles, names)
        return saved(figure, title, digest)


def _places(
    groups: Sequence[Group],
    across: Callable[[Run], Estimate],
    up: Callable[[Run], Estimate],
) -> Iterator[tuple[str, Place, Place]]:
    """A method with the mean over seeds x 100 of both, and their standard deviation over seeds, or
    the item error of a single one (0 where unknown)."""
    for group in groups:
        pairs = [[of(run) for run in group.runs] for of in (across, up)]
        if all(one.value is not None for pair in pairs for one in pair):
            yield group.method, _of_estimates(pairs[0]), _of_estimates(pairs[1])


def _of_estimates(found: Sequence[Estimate]) -> Place:
    values = [one.value or 0.0 for one in found]
    value, spread = _spread_out(values)
    return value, spread if len(values) > 1 else 100 * (found[0].item_error or 0.0)


def _spread_out(values: Sequence[float]) -> Place:
    """Mean and standard deviation x 100."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return 100 * statistics.fmean(values), 100 * spread
