"""The paper's tables with three lines per row: ours, published, difference."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TypedDict

import yaml

from harness.results.measures.continual import MEASURES, Estimate
from harness.results.measures.matrix import ScoreMatrix
from harness.results.paper.ours import Found, Ours
from harness.results.paper.published import Number, Published, matrix
from harness.results.report.printing import Entry, Heading, Points, Table
from harness.results.versions import mixed_versions


class Layout(TypedDict):
    """A flat table of the paper: its title, the fields that label a row, its columns."""

    title: str
    labels: list[str]
    columns: list[str]


LAYOUT: dict[str, Layout] = yaml.safe_load((Path(__file__).parent / "layout.yaml").read_text())
NOT_RUN, NOT_PRINTED = "not run", "not printed"
_CAPTION = (
    "Scores and differences times 100. published: TRACE, arXiv 2310.06762v1; ours: this harness, "
    "complete runs under the protocol {protocol} with nothing else changed, mean over the seeds of "
    'the runs named; difference: ours - published. "{not_run}": no such run of ours has the cell; '
    '"{not_printed}": the paper does not give it.'
)
RUNS = Heading("Runs", "runs")
FINAL_COLUMNS = ("OP", "BWT")


def paper_tables(published: Published, ours: Ours, digest: str) -> Iterator[Table]:
    """Every table of the layout, then the matrices of tables 7-22 and 26."""
    for name, layout in LAYOUT.items():
        yield _flat(name, layout, published.where(table=name), ours, digest)
    numbers = sorted({row.table for row in published.rows} - set(LAYOUT), key=_number)
    for name in numbers:
        yield _stages(name, published.where(table=name), ours, digest)
    yield definitions(published, ours, digest)
    yield calibration(published, ours, digest)


def _flat(name: str, layout: Layout, numbers: list[Number], ours: Ours, digest: str) -> Table:
    labels, columns = layout["labels"], layout["columns"]
    headings = (
        *(Heading(label.capitalize(), label) for label in labels),
        Heading("", "line"),
        *(Heading(column, column, numeric=True) for column in columns),
        RUNS,
    )
    rows: list[tuple[Entry, ...]] = []
    keys = dict.fromkeys(tuple(getattr(row, label) for label in labels) for row in numbers)
    for key in keys:
        mine = [n for n in numbers if tuple(getattr(n, label) for label in labels) == key]
        cells = {row.column: row for row in mine}
        rows += [(*key, *line) for line in _three([cells.get(column) for column in columns], ours)]
    notes = (*_marks(numbers), *mixed_versions(ours.comparable))
    return Table(layout["title"], headings, tuple(rows), _caption(ours), name, digest, notes)


def _stages(name: str, numbers: list[Number], ours: Ours, digest: str) -> Table:
    """A matrix: for every stage three lines, then those of OP and BWT."""
    cells = [row for row in numbers if row.suite == "target"]
    tasks = matrix(cells).tasks
    headings = (
        Heading("Stage", "stage"),
        Heading("", "line"),
        *(Heading(task, task, numeric=True) for task in tasks),
        *(Heading(column, column, numeric=True) for column in FINAL_COLUMNS),
        RUNS,
    )
    rows: list[tuple[Entry, ...]] = []
    for stage in range(1, len(tasks) + 1):
        there = {row.column: row for row in cells if row.stage == stage}
        if stage == len(tasks):
            there |= {row.column: row for row in numbers if row.column in FINAL_COLUMNS}
        wanted = [there.get(column) for column in (*tasks, *FINAL_COLUMNS)]
        rows += [(str(stage), *line) for line in _three(wanted, ours, blank=True)]
    first = numbers[0]
    title = f"Table {_number(name)}: {first.method} on {first.model}, {first.sequence}"
    notes = (*_marks(numbers), *mixed_versions(ours.comparable))
    return Table(title, headings, tuple(rows), _caption(ours), name, digest, notes)


def _three(
    wanted: list[Number | None], ours: Ours, blank: bool = False
) -> Iterator[tuple[Entry, ...]]:
    """The lines ours, published and difference over one row of the paper's cells, the first with
    the runs it comes from; `blank` leaves places empty that a triangle does not have."""
    cells = [Found() if number is None else ours.find(number) for number in wanted]
    found = [cell.estimate.value for cell in cells]
    none = "" if blank else NOT_PRINTED
    yield (
        "ours",
        *(
            none if number is None else NOT_RUN if value is None else Points(100 * value)
            for number, value in zip(wanted, found, strict=True)
        ),
        run_names(name for cell in cells for name in cell.runs),
    )
    yield ("published", *(none if n is None else Points(100 * n.value) for n in wanted), "")
    yield (
        "difference",
        *(
            none if n is None else NOT_RUN if value is None else Points(100 * (value - n.value))
            for n, value in zip(wanted, found, strict=True)
        ),
        "",
    )


def run_names(names: Iterable[str]) -> str:
    """Each run once, for a column of a table."""
    return ", ".join(dict.fromkeys(names)) or NOT_RUN


def _caption(ours: Ours) -> str:
    return _CAPTION.format(protocol=ours.protocol, not_run=NOT_RUN, not_printed=NOT_PRINTED)


def definitions(published: Published, ours: Ours, digest: str) -> Table:
    """Every definition of OP and BWT that is in use, on the published matrices and on our runs."""
    names = ("op", "mean_op", "triangle_mean", "bwt", "bwt_over_T", "bwt_clipped", "forgetting")
    headings = (
        Heading("Matrix", "matrix"),
        *(Heading(name, name, numeric=True) for name in names),
    )
    rows = []
    cells = [row for row in published.rows if row.suite == "target" and row.table not in LAYOUT]
    for table, members in groupby(cells, key=lambda row: row.table):
        listed = list(members)
        first = listed[0]
        label = f"published, table {_number(table)}: {first.method}, {first.model}"
        rows.append((label, *_measures(matrix(listed), names)))
    for run in ours.runs:
        if not run.matrix.missing():
            label = f"ours, {run.name}: {run.method}, {run.model}, {run.sequence}"
            rows.append((label, *_measures(run.matrix, names)))
    formulas = "; ".join(f"{name} = {MEASURES[name].formula}" for name in names)
    return Table(
        "Definitions in use",
        headings,
        tuple(rows),
        f"{formulas}. Times 100.",
        "definitions",
        digest,
    )


def calibration(published: Published, ours: Ours, digest: str, tolerance: float = 0.02) -> Table:
    """Our stage-0 scores beside the published base row of the same model."""
    headings = (
        Heading("Model", "model"),
        Heading("Benchmark", "benchmark"),
        Heading("Ours", "ours", numeric=True),
        Heading("Published", "published", numeric=True),
        Heading("Difference", "difference", numeric=True),
        Heading("Verdict", "verdict"),
        RUNS,
    )
    rows: list[tuple[Entry, ...]] = []
    for number in published.where(table="table2", method="base"):
        found = ours.find(number)
        value = found.estimate.value
        mine: Entry = NOT_RUN if value is None else Points(100 * value)
        gap: Entry = NOT_RUN if value is None else Points(100 * (value - number.value))
        verdict = NOT_RUN
        if value is not None:
            close = abs(value - number.value) <= tolerance
            verdict = "comparable" if close else "protocol differs: compare deltas only"
        printed, runs = Points(100 * number.value), run_names(found.runs)
        rows.append((number.model, number.column, mine, printed, gap, verdict, runs))
    caption = (
        "Scores of the initial model, times 100. Beyond 2 points prompts, shots or scoring differ "
        "from the paper's: then only changes from stage 0 are compared, no levels."
    )
    return Table("Calibration", headings, tuple(rows), caption, "calibration", digest)


def _measures(scores: ScoreMatrix, names: tuple[str, ...]) -> Iterator[Points]:
    for name in names:
        estimate: Estimate = MEASURES[name].of(scores)
        yield Points(None if estimate.value is None else 100 * estimate.value)


def _marks(numbers: list[Number]) -> tuple[str, ...]:
    """Footnotes: what is doubtful about a printed number."""
    told = dict.fromkeys(
        (f"{row.model}, {row.method}, {row.column}", row.mark) for row in numbers if row.mark
    )
    by_mark: dict[str, list[str]] = {}
    for place, mark in told:
        by_mark.setdefault(mark, []).append(place)
    return tuple(
        f"{mark}: {places[0] if len(places) == 1 else f'{len(places)} numbers'}."
        for mark, places in by_mark.items()
    )


def _number(table: str) -> int:
    return int(table.removeprefix("table"))
