"""Pictures of what forgetting is made of: items, layers, relearning, lines between stages."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.results.anatomy.line import Line
from harness.results.anatomy.relearning import Curve, Relearned
from harness.results.figures.saved import (
    COLORS,
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
from harness.results.items.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.models.weights.updates import Layer

Files = dict[str, bytes]  # suffix -> file
_KEPT, _GAINED, _LOST, _FORM = COLORS[0], COLORS[5], COLORS[1], COLORS[4]
_HEIGHT, _BESIDE = 1.35, 4  # inches of a small plot, and how many stand beside each other


def items_figure(histories: Sequence[History], digest: str) -> Files | None:
    """Items of every benchmark over its stages: kept and gained upwards, lost downwards, and on top
    those that are wrong in their form alone. None where no benchmark has two stages."""
    shown = [one for one in histories if len(one.stages) > 1]
    names = ["kept", "newly right", "wrong in form alone", "lost"]

    def draw(axes: "Axes", one: History) -> list[Any]:
        stages = [scored.stage for scored in one.stages]
        changes = [change for _, change in one.changes()]
        kept = [change.kept for change in changes]
        new = [change.right - change.kept for change in changes]
        form = [change.format_only for change in changes]
        bars = [
            axes.bar(stages, kept, color=_KEPT),
            axes.bar(stages, new, bottom=kept, color=_GAINED),
        ]
        right = [change.right for change in changes]
        bars.append(axes.bar(stages, form, bottom=right, color=_FORM))
        bars.append(axes.bar(stages, [-change.lost for change in changes], color=_LOST))
        axes.axhline(0, color="black", linewidth=0.6)
        axes.xaxis.get_major_locator().set_params(integer=True)
        return bars

    title = "Items kept, gained and lost, by stage"
    return _panel(
        shown, lambda one: one.title, draw, ("after stage", "items"), names, title, digest
    )


def weights_figure(stages: Mapping[int, "Sequence[Layer]"], digest: str) -> Files:
    """Layers (down) over stages (across): how far each went, in % of its weights' norm, and its
    change's effective rank, in % of the largest that it can be."""
    names = list(dict.fromkeys(layer.name for layers in stages.values() for layer in layers))
    moved = _cells(names, stages, lambda layer: _percent(layer.norm, layer.size))
    ranks = _cells(names, stages, lambda layer: _percent(layer.rank, layer.full))
    with look(digest):
        figure = figure_of(COLUMN, 0.9 + 0.32 * len(names))
        plots = figure.subplots(1, 2, sharey=True)
        titles = ("change, % of norm", "effective rank, %")
        for axes, cells, title in zip(plots, (moved, ranks), titles, strict=True):
            image = axes.pcolormesh(cells, cmap="YlGnBu", vmin=0, edgecolors="white", linewidth=0.8)
            axes.set_xticks([at + 0.5 for at in range(len(stages))], list(stages))
            axes.set_xlabel("stage")
            axes.set_title(title, loc="left", pad=3)
            axes.tick_params(length=0)
            bar = figure.colorbar(image, ax=axes, orientation="horizontal", fraction=0.08, pad=0.03)
            bar.outline.set_visible(False)
        plots[0].set_yticks([at + 0.5 for at in range(len(names))], names)
        plots[0].invert_yaxis()
        return saved(figure, "What training changed, by layer and stage", digest)


def relearning_figure(found: Sequence[Relearned], digest: str) -> Files | None:
    """A small plot per task and seed: score over steps, of first learning and of relearning, and
    the score that is to be reached again."""

    def draw(axes: "Axes", one: Relearned) -> list[Any]:
        handles = []
        for at, curve in enumerate((one.first, one.again)):
            handles += axes.plot(*_points(curve, 100), **style(at))
        handles.append(axes.axhline(100 * one.target, color="black", linewidth=0.6, linestyle="--"))
        axes.set_xscale("symlog", base=2, linthresh=1)
        axes.set_xlim(left=-0.4)
        axes.minorticks_off()
        ticks = sorted({*one.first, *one.again})
        axes.set_xticks(ticks[:1] + ticks[1::2], [str(tick) for tick in ticks[:1] + ticks[1::2]])
        axes.set_ylim(-3, 103)
        return handles

    def title(one: Relearned) -> str:
        return f"{one.task}, {one.method}" + (f", seed {one.seed}" if len(found) > 1 else "")

    names = ["first learning", "relearning", "score at its own stage"]
    axes = ("optimizer steps", "score x 100")
    return _panel(found, title, draw, axes, names, "Relearning beside first learning", digest)


def line_figure(found: Sequence[Line], digest: str) -> Files | None:
    """A small plot per line and benchmark: the loss, and the straight line through its ends."""

    def draw(axes: "Axes", line: Line) -> list[Any]:
        ends = [line.losses[0.0], line.losses[1.0]]
        handles = axes.plot(*_points(line.losses, 1), **style(0))
        return handles + axes.plot([0, 1], ends, color="black", linewidth=0.6, linestyle="--")

    several = len({(line.method, line.seed, line.start, line.end) for line in found}) > 1

    def title(line: Line) -> str:
        whose = f", {line.method} {line.seed}, {line.start} to {line.end}" if several else ""
        return f"{line.benchmark}{whose}"

    names = ["on the line between the weights", "between the losses of its ends"]
    labels = ("from the first (0) to the last (1)", "loss or error")
    return _panel(found, title, draw, labels, names, "Loss between stages", digest, same=False)


def _panel(
    things: Sequence[Any],
    title_of: Callable[[Any], str],
    draw: Callable[["Axes", Any], list[Any]],
    labels: tuple[str, str],
    names: Sequence[str],
    title: str,
    digest: str,
    *,
    same: bool = True,
) -> Files | None:
    """A small plot of each thing, on one scale where it is the `same`; None where there is none."""
    if not things:
        return None
    rows, columns = rows_and_columns(len(things), _BESIDE)
    width = PAGE if columns > 1 else COLUMN
    with look(digest):
        figure = figure_of(width, _HEIGHT * rows + 0.2 + legend_height(names, width))
        axes = figure.subplots(rows, columns, squeeze=False, sharex=same, sharey=same)
        for one, thing in zip(axes.ravel(), things, strict=False):
            one.set_title(named(title_of(thing), width / columns - 0.4), loc="left", pad=3)
            handles = draw(one, thing)
        outer_labels(axes, len(things), *labels)
        if not same:
            for one in axes.ravel()[: len(things)]:
                one.tick_params(labelleft=True)
        legend_below(figure, handles, names)
        return saved(figure, title, digest)


def _points(curve: Curve | dict[float, float], factor: float) -> tuple[list[float], list[float]]:
    across = sorted(curve)
    return [float(x) for x in across], [factor * curve[x] for x in across]  # type: ignore[index]


def _cells(
    names: Sequence[str],
    stages: Mapping[int, "Sequence[Layer]"],
    of: Callable[["Layer"], float],
) -> list[list[float]]:
    by_stage = [{layer.name: of(layer) for layer in layers} for layers in stages.values()]
    return [[found.get(name, float("nan")) for found in by_stage] for name in names]


def _percent(part: float | None, whole: float | None) -> float:
    return 100 * part / whole if part is not None and whole else float("nan")
