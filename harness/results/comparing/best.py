"""Which methods cannot be told from the best of a table.

The methods that are kept beside the best of the means are a subset that the truly best one belongs
to in 95 of 100 cases (Gupta, "On some multiple decision (selection and ranking) rules",
Technometrics 7, 1965): for that each is tested against the best at 5 % parted over those that are.
Tests are two-sided, which is on the safe side.
"""

from collections.abc import Sequence
from dataclasses import replace

from harness.errors import DataError
from harness.results.comparing.compare import difference_of, setting_of
from harness.results.comparing.contributions import Items, Measured, measures
from harness.results.comparing.interval import LEVEL
from harness.results.groups import Group
from harness.results.report.printing import LEVEL_MARK, Entry, Points, Table
from harness.results.schema import Scores
from harness.store.store import Store

MOST_ITEMS = 400_000  # of which predictions are read for a table
_NOTE = (
    f"{LEVEL_MARK} not distinguishable from the best of the column, at 5 % parted over the methods "
    "beside it (OP, LA, BWT and changes of suites)"
)


def mark_level(table: Table, groups: Sequence[Group], items: Items) -> Table:
    """A table whose rows are the groups with a complete run, in their order, with its entries
    marked, and a note of what was marked and what could not be compared."""
    shown = [group for group in groups if group.runs]
    rows: list[list[Entry]] = [list(row) for row in table.rows]
    columns = {heading.name: at for at, heading in enumerate(table.headings) if heading.better}
    marked, unknown = list[bool](), dict[str, None]()
    for block in _blocks(shown):
        runs = [run for at in block for run in shown[at].runs]
        for measured in measures(runs):
            column = columns.get(measured.name)
            if column is None:
                continue
            level, lacking = _level(shown, [row[column] for row in rows], block, measured, items)
            for at in level:
                rows[at][column] = replace(rows[at][column], level=True)  # type: ignore[type-var]
            marked += level.values()
            unknown |= dict.fromkeys(f"{measured.title} of {name}" for name in lacking)
    return replace(
        table,
        rows=tuple(map(tuple, rows)),
        notes=(*table.notes, *_notes(marked, [*unknown])),
    )


def items_of(scores: Scores, store: Store | None) -> Items:
    """The predictions that a table of these scores compares; none where reading them takes long."""
    count = sum(row["n"] or 0 for row in scores.rows if row["headline"])
    return Items(store if count <= MOST_ITEMS else None)


def _notes(marked: Sequence[bool], unknown: Sequence[str]) -> list[str]:
    """marked: of every mark, whether it was made by paired items."""
    rest = {True: " and item", False: ", items as independent"}
    pairing = rest.get(all(marked)) if len({*marked}) == 1 else ", by item where these are known"
    told = [f"{_NOTE}; paired by seed{pairing}."] if marked else []
    if unknown:
        why = "not compared with the best, for want of shared seeds or items"
        told.append(f"{why}: {', '.join(unknown)}.")
    return told


def _blocks(groups: Sequence[Group]) -> list[list[int]]:
    """Groups that may be compared."""
    found: dict[tuple[str, ...], list[int]] = {}
    for at, group in enumerate(groups):
        found.setdefault(tuple(setting_of(group).values()), []).append(at)
    return list(found.values())


def _level(
    groups: Sequence[Group],
    entries: Sequence[Entry],
    block: Sequence[int],
    measured: Measured,
    items: Items,
) -> tuple[dict[int, bool], list[str]]:
    """Of a block's rows, those that are not told from the best (and whether by paired items), and
    the methods that cannot be compared with it."""
    values = {at: entry.value for at in block if isinstance(entry := entries[at], Points)}
    known = {at: value for at, value in values.items() if value is not None}
    if len(known) < 2:
        return {}, []
    best, *others = sorted(known, key=lambda at: known[at], reverse=True)
    level, lacking = dict[int, bool](), list[str]()
    for at in others:
        try:
            found = difference_of(groups[at], groups[best], measured, items)
        except DataError:
            found = None
        if found is None:
            lacking.append(groups[at].method)
        elif not found.found.calls(LEVEL / len(others)):
            level[at] = found.items > 0
    return level, lacking
