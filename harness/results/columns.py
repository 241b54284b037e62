"""The columns of the tidy table, and what a row of it must be."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, TypedDict, get_args, get_origin, get_type_hints

from harness.errors import DataError
from harness.results.measures.matrix import PAST, SCHEDULES
from harness.store.scores import DONE, TARGET, Settings, is_finite, is_score, misfit
from harness.store.status import Status

SCHEMA_VERSION = 2


class TableRow(TypedDict):
    """One row, and so the columns of the table in their order; a file may lack those that can be
    null. Columns that are not here are kept, as text, behind these."""

    run: str  # id of the composed run
    group: str | None  # id of what runs that differ in their seed only share
    settings: Settings | None  # what tells runs of one method apart; null = not told
    experiment: str | None  # name of the experiment that asked for the run
    model: str
    sequence: str
    data: str | None  # name of the data; null = not told
    method: str
    seed: int | None
    schedule: str  # which cells the run promises
    past: str | None  # ends: of them only the last row and the diagonal; null = all
    tasks: str  # names of the sequence's tasks in the order of training, joined with |
    stage: int  # 0 = the initial model, t = after t tasks
    trained_task: str | None  # the task trained last; null at stage 0
    suite: str  # target, cost, or the name of a suite
    benchmark: str  # name of the task or benchmark
    side: str | None  # kind of score within a suite (BenchmarkConfig.side); null = one kind
    subtask: str | None  # part of a benchmark; null = the whole
    metric: str
    filter: str | None  # lm-eval filter that extracted the answer
    headline: bool  # true for the one metric that OP, BWT and deltas use
    value: float | None  # the score in 0..1, or what `unit` says; null = not done
    stderr: float | None  # standard error over items; null = undefined
    floor: float | None  # what a model without skill scores; null = unknown
    n: int | None  # number of items
    split: str | None  # of the data that was scored
    shots: int | None  # demonstrations in the prompt
    protocol: str | None  # named set of decoding and scoring rules
    unit: str | None  # null = score
    higher_is_better: bool | None  # null = true
    backend: str | None  # what generated
    status: str  # done, or what happened instead: diverged, failed
    schema: int  # version of this table
    model_key: str | None  # content key of the model
    eval_key: str | None  # content key of the node that has the score
    harness_version: str | None  # version that wrote the row
    versions: dict[str, str] | None  # of the libraries that made the node; null = not told


@dataclass(frozen=True)
class Column:
    """One column: its type in a row (`kind`) and whether it may be null."""

    name: str
    kind: type
    nullable: bool


def _column(name: str, hint: Any) -> Column:
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    return Column(name, get_origin(kinds[0]) or kinds[0], NoneType in get_args(hint))


COLUMNS = tuple(_column(name, hint) for name, hint in get_type_hints(TableRow).items())
NULLS = {column.name: None for column in COLUMNS if column.nullable}
ROW_KEY = ("run", "stage", "suite", "benchmark", "subtask", "metric", "filter", "split")
BY_NAME = {column.name: column for column in COLUMNS}
_STATUSES = tuple(status.value for status in Status)
_CHECKED = tuple((column.name, column.kind, column.nullable) for column in COLUMNS)


def is_done(row: TableRow) -> bool:
    """Whether the row has its score."""
    return row["status"] == DONE and row["value"] is not None


def is_target(row: TableRow) -> bool:
    """Whether a row is the score, done or not, that a task of the sequence is judged by."""
    return row["suite"] == TARGET and row["headline"] and is_whole_score(row)


def is_whole_score(row: TableRow) -> bool:
    """Whether a row is a score in 0..1 of a whole benchmark."""
    return row["subtask"] is None and is_score(row["unit"])


def check_rows(
    rows: Sequence[TableRow], columns: Iterable[str] = tuple(BY_NAME), source: str = ""
) -> None:
    """Raise DataError where rows, or the columns of their file, are no table of scores.

    A file may lack columns that can be null: their entries are null. `source` leads the message.
    """
    lacking = [c.name for c in COLUMNS if c.name not in set(columns) and not c.nullable]
    if lacking:
        raise DataError(
            f"{source}lacks the column {lacking[0]!r}; a table of scores (schema "
            f"{SCHEMA_VERSION}) has {', '.join(BY_NAME)}"
        )
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        for problem in problems(row):
            raise DataError(f"{source}{problem} in the row {_describe(row)}")
        key = tuple(row.get(name) for name in ROW_KEY)
        if key in seen:
            raise DataError(f"{source}two rows for one score, {_describe(row)}; keep one of them")
        seen.add(key)


def problems(row: TableRow) -> Iterator[str]:
    """What is wrong with a row, one after the other."""
    for name, kind, nullable in _CHECKED:
        value = row.get(name)
        if value is None or value == "":  # which a file cannot tell apart
            if not nullable:
                yield f"{name} is null"
        # A table has half a million of these.
        elif (type(value) is not kind or kind is float) and not _fits(value, kind):
            yield f"{name} {value!r} is not of type {kind.__name__}"
    if row["schema"] != SCHEMA_VERSION:
        yield f"schema {row['schema']} is not {SCHEMA_VERSION}, write the table anew"
    if row["schedule"] not in SCHEDULES:
        yield f"schedule {row['schedule']!r} is not one of {', '.join(SCHEDULES)}"
    if row.get("past") not in (None, *PAST):
        yield f"past {row['past']!r} is not one of {', '.join(PAST)}"
    if row["status"] not in _STATUSES:
        yield f"status {row['status']!r} is not one of {', '.join(_STATUSES)}"
    if row.get("value") is not None:
        wrong = misfit(row["value"], row.get("unit"))
        if wrong:
            yield f"value {row['value']} is {wrong}"


def _fits(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float) and is_finite(value)
    return isinstance(value, kind)


def _describe(row: TableRow) -> str:
    return ", ".join(f"{name}={row[name]}" for name in ROW_KEY if row.get(name) is not None)
