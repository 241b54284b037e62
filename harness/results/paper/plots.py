"""Pictures of the paper tables: OP and BWT ours and published, and BBH after every stage."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.results.paper.ours import Ours
from harness.results.paper.published import Published

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_PRINTED, _MINE = "#9aa5b1", "#b3342d"


def op_bwt_png(published: Published, ours: Ours) -> bytes:
    """Table 1 as bars, published and ours, OP above and BWT below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), dpi=150, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    numbers = published.where(table="table1", column="OP")
    names = [f"{row.method}\n{row.model.replace('-', ' ')}" for row in numbers]
    for axes, column in ((upper, "OP"), (lower, "BWT")):
        cells = {(r.model, r.method): r for r in published.where(table="table1", column=column)}
        rows = [cells.get((row.model, row.method)) for row in numbers]
        printed = [float("nan") if row is None else 100 * row.value for row in rows]
        mine = [None if row is None else ours.value(row).value for row in rows]
        places = range(len(rows))
        axes.bar([i - 0.2 for i in places], printed, 0.38, color=_PRINTED, label="published")
        scaled = [float("nan") if value is None else 100 * value for value in mine]
        axes.bar([i + 0.2 for i in places], scaled, 0.38, color=_MINE, label="ours")
        axes.axhline(0, color="0.3", linewidth=0.8)
        axes.set_ylabel(f"{column} x 100")
        axes.spines[["top", "right"]].set_visible(False)
        if all(value is None for value in mine):
            axes.text(
                0.995, 0.93, "ours: not run", transform=axes.transAxes, ha="right", fontsize=8
            )
    lower.set_xticks(list(range(len(names))), names, fontsize=6.5, rotation=60)
    upper.legend(frameon=False, ncols=2, fontsize=8, loc="upper left")
    upper.set_ylim(0, 78)
    upper.set_title("TRACE, table 1: overall performance and backward transfer", loc="left")
    return _png(figure)


def stages_png(ours: Ours, benchmark: str) -> bytes | None:
    """A benchmark after every stage, one line per comparable run that scored it at all of them;
    null if there is none."""
    curves = []
    for run in ours.comparable:
        for item in run.benchmarks:
            values = [item.at(stage).value for stage in range(run.matrix.size + 1)]
            if item.name == benchmark and None not in values:
                label = f"{run.method}, {run.model}, {run.sequence} ({run.name})"
                curves.append((label, run, values))
    if not curves:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for label, _, values in curves:
        axes.plot(range(len(values)), [100 * (v or 0.0) for v in values], marker="o", label=label)
    tasks: Sequence[str] = curves[0][1].matrix.tasks
    axes.set_xticks(range(len(tasks) + 1), ["(initial)", *tasks], fontsize=8, rotation=30)
    axes.set_ylabel(f"{benchmark} x 100")
    axes.set_title(f"{benchmark} after every stage (TRACE, figure 4)", loc="left", fontsize=11)
    axes.grid(axis="y", color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    return png.getvalue()
