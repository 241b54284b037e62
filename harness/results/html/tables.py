"""Tables of the report as HTML: sortable, and heat tables of scores."""

import re
from collections.abc import Sequence

from harness.results.html.markup import Html, element, escaped, joined
from harness.results.report.printing import Entry, Heading, Points, Table

_SHADES = 10
_NUMBER = re.compile(r"[\d,]+(\.\d+)?(e[+-]\d+)?")


def shown_table(table: Table, sortable: bool = True) -> Html:
    """A table with its title, without empty columns; caption and notes below it."""
    table = table.without_empty()
    head = element("tr", *(_heading(item, sortable) for item in table.headings))
    rows = (
        element("tr", *(_cell(h, e) for h, e in zip(table.headings, row, strict=True)))
        for row in table.rows
    )
    return _framed(table, head, rows, "sortable" if sortable else "plain")


def heat_table(table: Table, labels: int = 2) -> Html:
    """A score matrix whose cells are the darker the higher the score; the first `labels` columns
    name the row."""
    head = element("tr", *(_heading(item, False) for item in table.headings))
    rows = (
        element(
            "tr",
            *(
                _cell(heading, entry) if at < labels else _heat_cell(entry)
                for at, (heading, entry) in enumerate(zip(table.headings, row, strict=True))
            ),
        )
        for row in table.rows
    )
    return _framed(table, head, rows, "heat")


def plain_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Html:
    """A small table; parts that are HTML stay it."""
    head = element("tr", *(element("th", name, scope="col") for name in heads))
    body = (element("tr", *map(_plain_cell, row)) for row in rows)
    table = element("table", _caption(title), element("thead", head), element("tbody", *body))
    return _scrolled(title, table)


def _plain_cell(part: object) -> Html:
    return element("td", part, class_="num" if _NUMBER.fullmatch(str(part)) else None)


def _framed(table: Table, head: Html, rows: object, kind: str) -> Html:
    body = element("tbody", *rows)  # type: ignore[misc]
    grid = element("table", _caption(table.title), element("thead", head), body, class_=kind)
    notes = joined(element("p", note, class_="note") for note in (table.caption, *table.notes))
    return joined((_scrolled(table.title, grid), notes))


def _scrolled(title: str, table: Html) -> Html:
    """What is wider than the page scrolls by itself, by keyboard too."""
    return element("div", table, class_="scroll", role="region", tabindex="0", aria_label=title)


def _caption(title: str) -> Html:
    return element("caption", title)


def _heading(heading: Heading, sortable: bool) -> Html:
    kind = "num" if heading.numeric else None
    if not sortable:
        title = Html(escaped(heading.title).replace("_", "_<wbr>"))  # names of tasks are long
        return element("th", title, scope="col", class_=kind)
    button = element("button", heading.title, type="button")
    return element("th", button, scope="col", class_=kind, aria_sort="none")


def _cell(heading: Heading, entry: Entry) -> Html:
    if not heading.numeric:
        return element("td", entry)
    return element("td", entry, class_="num", data_v=_number(entry))


def _number(entry: Entry) -> str | None:
    """What a cell is sorted by; None where it has no number."""
    value = getattr(entry, "value", entry)
    try:
        return repr(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _heat_cell(entry: Entry) -> Html:
    value = entry.value if isinstance(entry, Points) else None
    if value is None:
        return element("td", entry, class_="num")
    shade = min(_SHADES, max(0, round(value / 100 * _SHADES)))
    return element("td", entry, class_=f"num h{shade}")
