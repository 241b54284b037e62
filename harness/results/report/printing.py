"""One table, printed three ways: Markdown, CSV and LaTeX with booktabs."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

DASH = "–"  # noqa: RUF001

# Text fonts of LaTeX lack these, or print something else for them.
_LATEX_SYMBOLS = {
    "±": r"\ensuremath{\pm}",
    "Δ": r"\ensuremath{\Delta}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\textbar{}",
    DASH: "--",
}


@dataclass(frozen=True)
class Points:
    """A number in points (0..100 for scores) with its spread in points; None prints as a dash."""

    value: float | None
    spread: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return DASH
        # Adding zero turns -0.0 into 0.0.
        text = f"{round(self.value, 1) + 0.0:.1f}"
        return text if self.spread is None else f"{text} ± {self.spread:.1f}"


Entry = str | int | Points


@dataclass(frozen=True)
class Heading:
    """A column: its title in print and its name in CSV; `spread` gives it a second CSV column."""

    title: str
    name: str
    numeric: bool = False
    spread: bool = False


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


def grid(table: Table) -> str:
    """Return the aligned Markdown grid alone, without title and caption."""
    cells = [[heading.title for heading in table.headings]]
    cells += [[str(entry) for entry in row] for row in table.rows]
    cells = [[text.replace("|", "\\|") for text in row] for row in cells]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(table.headings))]
    rule = [
        "-" * (width - 1) + (":" if heading.numeric else "-")
        for width, heading in zip(widths, table.headings, strict=True)
    ]
    lines = [_line(row, widths, table.headings) for row in cells]
    lines.insert(1, f"| {' | '.join(rule)} |")
    return "\n".join(lines)


def to_markdown(table: Table) -> str:
    """Return title, grid, caption, notes and the digest of the scores."""
    parts = [f"# {table.title}", grid(table), table.caption, *table.notes, _source(table)]
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


def to_latex(table: Table) -> str:
    """Return a booktabs table with everything escaped (needs the packages booktabs and amsmath)."""
    import pandas as pd

    titles = [heading.title for heading in table.headings]
    frame = pd.DataFrame(
        [[str(entry) for entry in row] for row in table.rows], columns=range(len(titles))
    )
    styler = frame.style.hide(axis="index").format(escape="latex")
    styler = styler.format_index(lambda i: escape_latex(titles[i]), axis=1)
    text = styler.to_latex(
        hrules=True,
        column_format="".join("r" if heading.numeric else "l" for heading in table.headings),
        caption=escape_latex(" ".join([table.title + ".", table.caption, *table.notes])),
        label=f"tab:{table.label}",
        position="htbp",
        position_float="centering",
    )
    return f"% {_source(table)}\n{_symbols(text)}"


def escape_latex(text: str) -> str:
    """Escape the characters that LaTeX reads as commands."""
    special = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{char: f"\\{char}" for char in "&%$#_{}"},
    }
    return "".join(special.get(char, char) for char in text)


def _symbols(text: str) -> str:
    return text.translate(str.maketrans(_LATEX_SYMBOLS))


def _source(table: Table) -> str:
    return f"Scores table: sha256 {table.digest}."


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
