"""One table, printed as Markdown and as CSV; `latex.py` prints it for papers."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.errors import printable

DASH = "–"  # noqa: RUF001
LEVEL_MARK = "†"


@dataclass(frozen=True)
class Points:
    """A number in points (0..100 for scores) with its spread in points; None prints as a dash.
    level: whether it is not distinguishable from the best of its column."""

    value: float | None
    spread: float | None = None
    level: bool = False

    def __str__(self) -> str:
        if self.value is None:
            return DASH
        # Adding zero turns -0.0 into 0.0.
        text = f"{round(self.value, 1) + 0.0:.1f}"
        text += "" if self.spread is None else f" ± {self.spread:.1f}"
        return f"{text} {LEVEL_MARK}" if self.level else text


Entry = str | int | Points


@dataclass(frozen=True)
class Heading:
    """A column: its title in print and its name in CSV; `spread` gives it a second CSV column.
    better: 1 where more is better, -1 where less is, 0 where neither."""

    title: str
    name: str
    numeric: bool = False
    spread: bool = False
    better: int = 0


@dataclass(frozen=True)
class Table:
    """A table with its caption; `notes` follow the caption, each a sentence."""

    title: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Entry, ...], ...]
    caption: str
    label: str
    digest: str
    notes: tuple[str, ...] = ()

    def columns(self, keep: Sequence[int]) -> "Table":
        """Return the same table with the columns of these positions only."""
        rows = tuple(tuple(row[i] for i in keep) for row in self.rows)
        headings = tuple(self.headings[i] for i in keep)
        return replace(self, headings=headings, rows=rows)

    def without_empty(self) -> "Table":
        """Return the same table without the columns that say nothing in any row."""
        if not self.rows:
            return self
        columns = enumerate(zip(*self.rows, strict=True))
        return self.columns([at for at, entries in columns if {*map(str, entries)} - {"", DASH}])


def grid(table: Table) -> str:
    """Return the aligned Markdown grid alone, without title and caption."""
    cells = [[heading.title for heading in table.headings]]
    cells += [[str(entry) for entry in row] for row in table.rows]
    cells = [[_in_a_cell(text) for text in row] for row in cells]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(table.headings))]
    rule = [
        "-" * (width - 1) + (":" if heading.numeric else "-")
        for width, heading in zip(widths, table.headings, strict=True)
    ]
    lines = [_line(row, widths, table.headings) for row in cells]
    lines.insert(1, f"| {' | '.join(rule)} |")
    return "\n".join(lines)


def to_markdown(table: Table) -> str:
    """Return title, grid without empty columns, caption, notes and the digest of the scores."""
    shown = grid(table.without_empty())
    parts = [f"# {table.title}", shown, table.caption, *table.notes, source(table)]
    return "\n\n".join(parts) + "\n"


def to_csv(table: Table) -> str:
    """Return the table for programs: numbers in points, unrounded, spreads in columns of their own.

    Null is an empty field; the last column repeats the digest of the scores.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = [name for heading in table.headings for name in _csv_names(heading)]
    writer.writerow([*header, "scores_sha256"])
    for row in table.rows:
        pairs = zip(table.headings, row, strict=True)
        fields = [field for heading, entry in pairs for field in _csv_fields(heading, entry)]
        writer.writerow([*fields, table.digest])
    return text.getvalue()


def source(table: Table) -> str:
    """What it was made from."""
    return f"Scores table: sha256 {table.digest}."


def _in_a_cell(text: str) -> str:
    """Names may be anybody's: they neither end a cell or a row nor command a terminal."""
    return printable(" ".join(text.splitlines())).replace("\t", " ").replace("|", "\\|")


def _line(row: list[str], widths: list[int], headings: tuple[Heading, ...]) -> str:
    padded = [
        text.rjust(width) if heading.numeric else text.ljust(width)
        for text, width, heading in zip(row, widths, headings, strict=True)
    ]
    return f"| {' | '.join(padded)} |"


def _csv_names(heading: Heading) -> list[str]:
    return [heading.name, f"{heading.name}_spread"] if heading.spread else [heading.name]


def _csv_fields(heading: Heading, entry: Entry) -> list[str]:
    if not isinstance(entry, Points):
        return [str(entry)]
    numbers = [entry.value, entry.spread] if heading.spread else [entry.value]
    return ["" if number is None else repr(round(number, 6) + 0.0) for number in numbers]
