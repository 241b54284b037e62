"""A table for LaTeX (packages booktabs and amsmath): a short caption, what has to be said below.

Columns that are the same in every row go into the caption, empty ones away. Of a column that says
which way is better the best entry of every model and sequence is bold, the second underlined. What
is wider than a page of text goes on below, with its labels; what is too tall, in another table.
"""

import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from harness.results.report.latex_text import escape_latex, number_latex, prose_latex
from harness.results.report.printing import LEVEL_MARK, Entry, Points, Table, source

_PLACES = ("model", "sequence", "protocol")
_CAPTIONED = (*_PLACES, "seeds")  # columns that can go into the caption
WIDTH = 395  # points, the narrowest page of text of one column that conferences ask for
_LETTER, _GAP = 4.7, 6.0  # points: a letter of this size on average, and between two columns
_WIDE = 1.4  # of these: capitals, and what is set as mathematics
_TALLEST, _HEAD = 46, 4  # lines of a table, and of its head and rules
_LONG = 34  # letters from which on a text is broken into lines
_LABELS = 0.6  # of the width, at most, for what says what a row is
_FEW = 10  # tables that wait for a place; LaTeX has room for some more
_WIDER = re.compile(r"[A-Z±Δ-]")
Marks = dict[int, dict[int, str]]  # row -> column -> command around its entry


def to_latex(table: Table) -> str:
    """The table in one float or several, with what it was made from in a comment."""
    shown, places = _without_places(table.without_empty())
    floats = list(_floats([*_parts(shown, _marks(shown)), _below(table)]))
    blocks = [f"% {source(table)}"]
    for at, pieces in enumerate(floats):
        going = ", continued" if at else ""
        label = "" if at else rf"\label{{tab:{table.label}}}"
        blocks += [r"\clearpage"] if at and at % _FEW == 0 else []
        blocks += [
            r"\begin{table}[htbp]",
            r"\centering",
            rf"\caption{{{escape_latex(f'{table.title}{going}{places}.')}}}{label}",
            r"\par\smallskip\footnotesize\setlength{\tabcolsep}{3pt}",
            "\n\\par\\medskip\n".join(pieces),
            r"\end{table}",
        ]
    return "\n".join(blocks) + "\n"


def all_tables(names: Sequence[str]) -> str:
    r"""A file that takes in all others, from a paper in any folder: see its first lines."""
    lines = [
        r"% \usepackage{booktabs,amsmath}",
        r"% \newcommand{\harnesstables}{results/tables/} % this folder, as seen from the paper",
        r"% \input{\harnesstables all}",
        r"\providecommand{\harnesstables}{}",
    ]
    for at, name in enumerate(names):
        lines += [r"\clearpage"] if at and at % _FEW == 0 else []
        lines.append(rf"\input{{\harnesstables {name}.tex}}")
    return "\n".join(lines) + "\n"


def _below(table: Table) -> tuple[int, str]:
    """Caption and notes, of the width of the page; how many lines they take, at most."""
    sentences = (part if part.endswith(".") else f"{part}." for part in table.notes)
    notes = " ".join([table.caption, *sentences])
    begin = r"\begin{minipage}{\linewidth}\footnotesize"
    lines = math.ceil(_points(notes) / WIDTH)
    return lines, "\n".join([begin, prose_latex(notes), r"\end{minipage}"])


def _floats(parts: Sequence[tuple[int, str]]) -> Iterator[list[str]]:
    """Parts (their lines, their text) that fit a page together."""
    found: list[str] = []
    lines = 0
    for own, text in parts:
        if found and lines + own > _TALLEST:
            yield found
            found, lines = [], 0
        found, lines = [*found, text], lines + own
    yield found


def _parts(table: Table, marks: Marks) -> Iterator[tuple[int, str]]:
    """The table in pieces that fit the width, and of these as many rows as fit a page."""
    widths = _widths(table)
    for columns in _columns(table, widths):
        kept, kinds = table.columns(columns), [_kind(table, at, widths[at]) for at in columns]
        broken = {at for at, kind in enumerate(kinds) if kind.startswith("p")}
        found: list[str] = []
        lines = _HEAD
        for at, row in enumerate(kept.rows):
            high = _lines(row, [widths[column] for column in columns])
            if found and lines + high > _TALLEST:
                yield lines, _tabular(kept, kinds, found)
                found, lines = [], _HEAD
            found.append(_row(row, _shifted(marks.get(at, {}), columns), broken))
            lines += high
        yield lines, _tabular(kept, kinds, found)


def _labels(table: Table) -> list[int]:
    """The columns at the left that say what a row is."""
    named = [not h.numeric or h.name == "stage" for h in table.headings]
    return list(range(named.index(False) if False in named else 1))


def _columns(table: Table, widths: Sequence[float]) -> Iterator[list[int]]:
    """Columns that fit the width, each time behind those that say what a row is."""
    labels, current = _labels(table), list[int]()
    room = WIDTH - sum(widths[at] for at in labels)
    for at in range(len(labels), len(widths)):
        if current and sum(widths[one] for one in current) + widths[at] > room:
            yield [*labels, *current]
            current = []
        current.append(at)
    yield [*labels, *current]


def _widths(table: Table) -> list[float]:
    """Points of every column. Texts have at most those of a long one, and where those that say what
    a row is leave too little for numbers, less: such a text is broken into lines."""
    columns = range(len(table.headings))
    widths = [
        max(_points(table.headings[at].title), *(_points(str(row[at])) for row in table.rows), 0)
        for at in columns
    ]
    most, labels = _LONG * _LETTER, _labels(table)
    while sum(min(widths[at], most) for at in labels) > _LABELS * WIDTH:
        most *= 0.95
    caps = (most if at in labels else _LONG * _LETTER for at in columns)
    pairs = zip(table.headings, widths, caps, strict=True)
    return [_GAP + (own if heading.numeric else min(own, cap)) for heading, own, cap in pairs]


def _points(text: str) -> float:
    return _LETTER * (len(text) + (_WIDE - 1) * len(_WIDER.findall(text)))


def _lines(row: Sequence[Entry], widths: Sequence[float]) -> int:
    """How many lines it takes; half a word is left over in each of several."""
    pairs = ((_points(str(entry)), width - _GAP) for entry, width in zip(row, widths, strict=True))
    return max(math.ceil(own / (width - 4 * _LETTER)) if own > width else 1 for own, width in pairs)


def _kind(table: Table, at: int, width: float) -> str:
    if table.headings[at].numeric:
        return "r"
    longest = max((_points(str(row[at])) for row in table.rows), default=0)
    return f"p{{{width - _GAP:.0f}pt}}" if longest > width - _GAP else "l"


def _tabular(table: Table, kinds: Sequence[str], rows: Sequence[str]) -> str:
    titles = " & ".join(escape_latex(heading.title) for heading in table.headings)
    lines = [
        rf"\begin{{tabular}}{{{''.join(kinds)}}}",
        r"\toprule",
        rf"{titles} \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _without_places(table: Table) -> tuple[Table, str]:
    """Without the model, the sequence, the protocol and the seeds where they are the same in all
    rows; and what the caption says of them."""
    told, kept = [], []
    for at, heading in enumerate(table.headings):
        entries = {str(row[at]) for row in table.rows}
        if heading.name in _CAPTIONED and len(entries) == 1:
            told.append(f"{heading.title.lower()} {entries.pop()}")
        else:
            kept.append(at)
    if not told or not kept:
        return table, ""
    return table.columns(kept), f" ({', '.join(told)})"


def _marks(table: Table) -> Marks:
    marks: Marks = {}
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


def _shifted(marks: dict[int, str], columns: Sequence[int]) -> dict[int, str]:
    """By the place of a column among those that are kept."""
    return {place: marks[at] for place, at in enumerate(columns) if at in marks}


def _blocks(table: Table) -> Iterator[list[int]]:
    """Rows that may be compared: those of one model, sequence and protocol."""
    places = [at for at, heading in enumerate(table.headings) if heading.name in _PLACES]
    found: dict[tuple[str, ...], list[int]] = {}
    for at, row in enumerate(table.rows):
        found.setdefault(tuple(str(row[place]) for place in places), []).append(at)
    yield from found.values()


def _number(entry: Entry) -> float | None:
    return entry.value if isinstance(entry, Points) else None


def _row(row: Sequence[Entry], marks: dict[int, str], broken: Collection[int]) -> str:
    """broken: places of columns whose texts are broken into lines."""
    cells = [_cell(entry, marks.get(at, ""), at in broken) for at, entry in enumerate(row)]
    # What makes text ragged takes the shorter word for the end of a row.
    return " & ".join(cells) + (r" \tabularnewline" if broken else r" \\")


def _cell(entry: Entry, mark: str, broken: bool) -> str:
    if not isinstance(entry, Points):
        told = escape_latex(str(entry))
        if not broken:
            return told
        # Names have few spaces; they may be broken behind these as well.
        told = re.sub(r"(\\_|[,=/.)-])(?=\w)", r"\1\\allowbreak{}", told)
        return rf"\raggedright {told}"
    value = number_latex(str(replace(entry, spread=None, level=False)))
    spread = "" if entry.spread is None else escape_latex(f" ± {entry.spread:.1f}")
    level = escape_latex(LEVEL_MARK) if entry.level else ""
    return (f"{mark}{{{value}}}" if mark else value) + spread + level
