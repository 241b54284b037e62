"""Forgetting, counted item by item: a row for every benchmark and stage of a run."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from harness.errors import DataError
from harness.results.items.history import History, history_at, mean
from harness.results.items.places import places_of
from harness.results.records import RunRecord
from harness.results.report.printing import DASH, Entry, Heading, Points, Table
from harness.store.store import Store

_CAPTION = (
    "Items of a benchmark at a stage (0 = the initial model): right by its headline metric (0.5 "
    "and more); of them, right at the scored stage before (kept) or wrong there (gained); and "
    "those that were right there and are wrong now (lost). Strict and lenient: mean scores x 100; "
    "format: items whose answer only the lenient score finds: its form was lost and not what it "
    "says; unknown: items without a score."
)
_ALONE = "Each stage was trained from the initial model and is compared with it, not with others."
COLUMNS = ("right", "kept", "lost", "gained", "format", "unknown")


def histories(store: Store, record: RunRecord) -> list[History]:
    """All benchmarks of a run whose predictions are there. Raises DataError where none are."""
    found = list(_readable(store, record))
    if not found:
        raise DataError(f"run {record.run['run']} has no predictions in {store.root}")
    return found


def items_table(record: RunRecord, found: Sequence[History], digest: str) -> Table:
    """What became of the items of these benchmarks of a run, stage by stage."""
    headings = (
        Heading("Benchmark", "benchmark"),
        Heading("Stage", "stage", numeric=True),
        Heading("Trained", "trained"),
        Heading("Items", "items", numeric=True),
        *(Heading(name.capitalize(), name, numeric=True) for name in COLUMNS),
        Heading("Strict", "strict", numeric=True),
        Heading("Lenient", "lenient", numeric=True),
    )
    rows = tuple(row for one in found for row in rows_of(one))
    title = f"What became of items: {record.run['method']}, run {record.run['run']}"
    notes = (_ALONE,) if any(one.alone for one in found) else ()
    return Table(title, headings, rows, _CAPTION, "items", digest, notes)


def rows_of(one: History) -> Iterator[tuple[Entry, ...]]:
    """A row for every stage of a benchmark."""
    for scored, change in one.changes():
        sheet = scored.sheet
        form = change.format_only if sheet.lenient is not None else DASH
        yield (
            *(one.title, scored.stage, scored.told, one.items),
            *(change.right, change.kept, change.lost, change.gained, form, change.unknown),
            *(_points(sheet.strict), _points(sheet.lenient)),
        )


def _readable(store: Store, record: RunRecord) -> Iterator[History]:
    for place in places_of(record):
        with suppress(DataError):
            yield history_at(store, record, place)


def _points(values: Sequence[float] | None) -> Points:
    value = mean(values)
    return Points(None if value is None else 100 * value)
