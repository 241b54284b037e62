"""Pictures of the paper's tables: OP and BWT ours and published, and BBH after every stage."""

from collections.abc import Sequence

from harness.results.figures.saved import (
    COLORS,
    PAGE,
    figure_of,
    legend_below,
    legend_height,
    look,
    saved,
    style,
)
from harness.results.paper.ours import Ours
from harness.results.paper.published import Published

_PRINTED, _MINE = "#9aa5b1", COLORS[1]


def op_bwt(published: Published, ours: Ours, digest: str) -> dict[str, bytes]:
    """Suffix -> file: table 1 as bars, published and ours, OP above and BWT below."""
    numbers = published.where(table="table1", column="OP")
    names = [f"{row.method}, {row.model}" for row in numbers]
    with look(digest):
        figure = figure_of(PAGE, 4.4)
        upper, lower = figure.subplots(2, 1, sharex=True)
        run = False
        for axes, column in ((upper, "OP"), (lower, "BWT")):
            cells = {(r.model, r.method): r for r in published.where(table="table1", column=column)}
            rows = [cells.get((row.model, row.method)) for row in numbers]
            printed = [None if row is None else row.value for row in rows]
            mine = [None if row is None else ours.value(row).value for row in rows]
            sides = ((-0.2, printed, _PRINTED), (0.2, mine, _MINE))
            bars = [
                axes.bar([i + shift for i in range(len(rows))], _scaled(values), 0.38, color=color)
                for shift, values, color in sides
            ]
            axes.axhline(0, color="0.3", linewidth=0.6)
            axes.set_ylabel(f"{column} x 100")
            run = run or any(value is not None for value in mine)
        lower.set_xticks(range(len(names)), names, rotation=90)
        lower.tick_params(axis="x", length=0)
        legend_below(figure, bars, ["published", "ours" if run else "ours: not run"])
        title = "TRACE, table 1: overall performance and backward transfer"
        return saved(figure, title, digest)


def stages(ours: Ours, benchmark: str, digest: str) -> dict[str, bytes] | None:
    """Suffix -> file: a benchmark after every stage, one line per comparable run that scored it at
    all of them; null if there is none."""
    curves = []
    for run in ours.comparable:
        for item in run.benchmarks:
            values = [item.at(stage).value for stage in range(run.matrix.size + 1)]
            if item.name == benchmark and None not in values:
                curves.append(
                    (f"{run.method}, {run.model}, {run.sequence} ({run.name})", run, values)
                )
    if not curves:
        return None
    labels = [label for label, _, _ in curves]
    with look(digest):
        figure = figure_of(PAGE, 2.8 + legend_height(labels, PAGE))
        axes = figure.add_subplot()
        handles = [
            axes.plot(range(len(values)), _scaled(values), **style(at))[0]
            for at, (_, _, values) in enumerate(curves)
        ]
        tasks = curves[0][1].matrix.tasks
        axes.set_xticks(range(len(tasks) + 1), ["(initial)", *tasks], rotation=30)
        axes.set_ylabel(f"{benchmark} x 100")
        axes.grid(axis="y", color="0.92", linewidth=0.5)
        legend_below(figure, handles, labels)
        return saved(figure, f"{benchmark} after every stage (TRACE, figure 4)", digest)


def _scaled(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else 100 * value for value in values]
