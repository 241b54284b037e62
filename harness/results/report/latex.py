"""A table for LaTeX (packages booktabs and amsmath): a short caption, what has to be said below.

Columns that are the same in every row go into the caption, empty ones away. Of a column that says
which way is better the best entry of every model and sequence is bold, the second underlined.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.results.measures.continual import MEASURES
from harness.results.report.printing import DASH, Entry, Points, Table, source

_PLACES = ("model", "sequence", "protocol")  # columns that can go into the caption
# Text fonts lack these, or print something else for them.
_SYMBOLS = {
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    "…": r"\dots{}",
    DASH: "--",
}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
}
_CELL = re.compile(r"R\[(\w+),(\w+)\]")
_BOUND = re.compile(r"\b(mean|sum|max)_(\{[^}]*\}|\w)")


def to_latex(table: Table) -> str:
    """The table in a float, with what it was made from in a comment."""
    shown, places = _without_places(table.without_empty())
    titles = " & ".join(_text(heading.title) for heading in shown.headings)
    marks = _marks(shown)
    lines = [
        f"% {source(table)}",
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{_text(f'{table.title}{places}.')}}}",
        rf"\label{{tab:{table.label}}}",
        r"\small",
        rf"\begin{{tabular}}{{{''.join('r' if h.numeric else 'l' for h in shown.headings)}}}",
        r"\toprule",
        rf"{titles} \\",
        r"\midrule",
        *(_row(row, marks.get(at, {})) for at, row in enumerate(shown.rows)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
        _prose(" ".join([table.caption, *table.notes])),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def all_tables(names: Sequence[str]) -> str:
    r"""A file that takes in all others: `\input{tables/all}` with TeX's path at the folder's."""
    lines = [r"% Needs \usepackage{booktabs,amsmath}."]
    return "\n".join([*lines, *(rf"\input{{{Path(name).stem}}}" for name in names)]) + "\n"


def escape_latex(text: str) -> str:
    """Escape the characters that LaTeX reads as commands, and name those that its fonts lack."""
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char in _SPECIAL or char in _SYMBOLS:
        return _SPECIAL.get(char) or _SYMBOLS[char]
    if char.isprintable() and ord(char) < 0x180:
        return char
    return " " if char.isspace() else f"[U+{ord(char):04X}]"


def _text(text: str) -> str:
    return escape_latex(text)


def _prose(text: str) -> str:
    """A caption, whose measures are set as mathematics."""
    formulas = sorted({m.formula for m in MEASURES.values()}, key=len, reverse=True)
    pattern = "|".join([*map(re.escape, formulas), _CELL.pattern])
    parts, last = [], 0
    for found in re.finditer(pattern, text):
        parts += [_text(text[last : found.start()]), f"${_mathematics(found[0])}$"]
        last = found.end()
    return "".join([*parts, _text(text[last:])])


def _mathematics(formula: str) -> str:
    r"""`mean_i R[T,i]` -> `\operatorname{mean}_{i} R_{T,i}`."""
    names = {"mean": r"\operatorname{mean}", "sum": r"\sum", "max": r"\max"}
    told = _CELL.sub(r"R_{\1,\2}", formula)
    told = _BOUND.sub(lambda found: f"{names[found[1]]}_{{{found[2].strip('{}')}}}", told)
    return told.replace("<=", r"\le ").replace(">=", r"\ge ").replace("OP_t", r"\mathrm{OP}_t")


def _without_places(table: Table) -> tuple[Table, str]:
    """Without the model, the sequence and the protocol where they are the same in all rows; and
    what the caption says of them."""
    told, kept = [], []
    for at, heading in enumerate(table.headings):
        entries = {str(row[at]) for row in table.rows}
        if heading.name in _PLACES and len(entries) == 1:
            told.append(f"{heading.title.lower()} {entries.pop()}")
        else:
            kept.append(at)
    if not told or not kept:
        return table, ""
    return table.columns(kept), f" ({', '.join(told)})"


def _marks(table: Table) -> dict[int, dict[int, str]]:
    """Row -> column -> command around its entry."""
    marks: dict[int, dict[int, str]] = {}
    for block in _blocks(table):
        for column, heading in enumerate(table.headings):
            numbers = {at: _number(table.rows[at][column]) for at in block}
            known = {at: heading.better * n for at, n in numbers.items() if n is not None}
            if heading.better and len(known) > 1:
                best, *others = sorted({round(n, 1) for n in known.values()}, reverse=True)
                for at, value in known.items():
                    if round(value, 1) == best and others:
                        marks.setdefault(at, {})[column] = r"\textbf"
                    elif others and round(value, 1) == others[0]:
                        marks.setdefault(at, {})[column] = r"\underline"
    return marks


def _blocks(table: Table) -> Iterator[list[int]]:
    """Rows that may be compared: those of one model, sequence and protocol."""
    places = [at for at, heading in enumerate(table.headings) if heading.name in _PLACES]
    found: dict[tuple[str, ...], list[int]] = {}
    for at, row in enumerate(table.rows):
        found.setdefault(tuple(str(row[place]) for place in places), []).append(at)
    yield from found.values()


def _number(entry: Entry) -> float | None:
    return entry.value if isinstance(entry, Points) else None


def _row(row: Sequence[Entry], marks: dict[int, str]) -> str:
    cells = []
    for at, entry in enumerate(row):
        if at in marks and isinstance(entry, Points):
            value = f"{marks[at]}{{{_text(str(replace(entry, spread=None)))}}}"
            told = "" if entry.spread is None else _text(f" ± {entry.spread:.1f}")
            cells.append(value + told)
        else:
            cells.append(_text(str(entry)))
    return " & ".join(cells) + r" \\"
