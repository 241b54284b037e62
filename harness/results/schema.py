"""The tidy table: one row per score, its columns, and reading and writing it as CSV.

The table is rebuilt from records of runs and nodes and never appended to. Rows come in one order,
numbers in their shortest exact form and settings as JSON, so equal scores give equal bytes.
"""

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, TypedDict, get_args, get_origin, get_type_hints

from harness.errors import DataError
from harness.results.measures.matrix import PAST, SCHEDULES
from harness.store.files import write_atomically
from harness.store.scores import DONE, TARGET, Settings, is_score, misfit

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA_VERSION = 2
OLD = "variant"  # a column of version 0.1, whose settings were one text


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
    status: str  # done, or what happened instead
    schema: int  # version of this table
    model_key: str | None  # content key of the model
    eval_key: str | None  # content key of the node that has the score
    harness_version: str | None  # version that wrote the row


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
_NULLS = {column.name: None for column in COLUMNS if column.nullable}
ROW_KEY = ("run", "stage", "suite", "benchmark", "subtask", "metric", "filter", "split")

_BY_NAME = {column.name: column for column in COLUMNS}
_DTYPES = {str: "string", int: "Int64", float: "float64", bool: "boolean", dict: "object"}


@dataclass(frozen=True)
class Scores:
    """The checked rows of a table, in its order."""

    rows: tuple[TableRow, ...]

    @classmethod
    def of(cls, rows: Iterable[TableRow]) -> "Scores":
        """Rows in whatever order. Raises DataError where they are no table."""
        whole: list[TableRow] = [{**_NULLS, **row} for row in rows]  # type: ignore[typeddict-item]
        ordered = sorted(whole, key=_sort_key)
        check_rows(ordered)
        return cls(tuple(ordered))

    @cached_property
    def digest(self) -> str:
        """The first 12 hex digits of the sha256 of the table as a file."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:12]

    def of_run(self, run: str) -> "Scores":
        """The rows of one run."""
        return Scores(tuple(row for row in self.rows if row["run"] == run))

    def text(self) -> str:
        """The table as CSV."""
        names = [*_BY_NAME, *_extra_columns(self.rows)]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(name, row.get(name)) for name in names] for row in self.rows)
        return text.getvalue()

    def frame(self) -> "DataFrame":
        """A pandas frame with typed columns; nulls are NaN or <NA>."""
        import pandas as pd

        names = [*_BY_NAME, *_extra_columns(self.rows)]
        kinds = {name: _BY_NAME[name].kind if name in _BY_NAME else str for name in names}
        return pd.DataFrame(
            {
                name: pd.Series([row.get(name) for row in self.rows], dtype=_DTYPES[kind])
                for name, kind in kinds.items()
            }
        )


def write_scores(rows: Iterable[TableRow], path: Path | str) -> Path:
    """Write rows as CSV, atomically and in a fixed order.

    Raises DataError for a missing column, a wrong type, a score outside its unit's range or two
    rows for one score.
    """
    return write_atomically(Path(path), Scores.of(rows).text())


def read_scores(path: Path | str) -> Scores:
    """Read and check a table of scores. Raises DataError naming file and line."""
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            if OLD in columns and "settings" not in columns:
                raise DataError(
                    f"{path}: a table of version 0.1; any run with the store it was made from "
                    "(store.root, store.results) writes it anew, with all of its runs"
                )
            rows = [_parsed(f"{path}, line {reader.line_num}", fields) for fields in reader]
    except FileNotFoundError:
        raise DataError(
            f"{path}: no table of scores there; a run writes it, or name one with --scores"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV file in UTF-8: {error}") from None
    check_rows(rows, columns, f"{path}: ")
    return Scores(tuple(sorted(rows, key=_sort_key)))


def is_done(row: TableRow) -> bool:
    """Whether the row has its score."""
    return row["status"] == DONE and row["value"] is not None


def is_target(row: TableRow) -> bool:
    """Whether a row is the score, done or not, that a task of the sequence is judged by."""
    return row["suite"] == TARGET and row["headline"] and is_whole_score(row)


def is_whole_score(row: TableRow) -> bool:
    """Whether a row is a score in 0..1 of a whole benchmark."""
    return row["subtask"] is None and is_score(row["unit"])


def _extra_columns(rows: Iterable[TableRow]) -> list[str]:
    return sorted({name for row in rows for name in row} - set(_BY_NAME))


def _sort_key(row: TableRow) -> tuple[Any, ...]:
    # Nulls sort first; the flag keeps None from being compared with text.
    return tuple(
        (row.get(name) is not None, "" if row.get(name) is None else row[name]) for name in ROW_KEY
    )


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    kind = _BY_NAME[name].kind if name in _BY_NAME else str
    if kind is dict:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return repr(float(value)) if kind is float else str(value)  # type: ignore[arg-type]


def _parsed(place: str, fields: Mapping[str | None, Any]) -> TableRow:
    if None in fields or None in fields.values():
        raise DataError(f"{place}: has more or fewer fields than the header")
    told = {name: _value(place, name, text) for name, text in fields.items()}
    return {**_NULLS, **told}  # type: ignore[typeddict-item]


_WANTED = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    dict: "a JSON object",
}


def _value(place: str, name: str, text: str) -> Any:
    if text == "":
        return None
    kind = _BY_NAME[name].kind if name in _BY_NAME else str
    read = {bool: {"True": True, "False": False}.__getitem__, dict: json.loads}.get(kind, kind)
    try:
        return read(text)
    except (ValueError, KeyError):
        raise DataError(f"{place}: {name} {text!r} is not {_WANTED[kind]}") from None


def check_rows(
    rows: Sequence[TableRow], columns: Iterable[str] = tuple(_BY_NAME), source: str = ""
) -> None:
    """Raise DataError where rows, or the columns of their file, are no table of scores.

    A file may lack columns that can be null: their entries are null. `source` leads the message.
    """
    lacking = [c.name for c in COLUMNS if c.name not in set(columns) and not c.nullable]
    if lacking:
        raise DataError(
            f"{source}lacks the column {lacking[0]!r}; a table of scores (schema "
            f"{SCHEMA_VERSION}) has {', '.join(_BY_NAME)}"
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
    for column in COLUMNS:
        value = row.get(column.name)
        if value is None or value == "":  # which a file cannot tell apart
            if not column.nullable:
                yield f"{column.name} is null"
        elif not _fits(value, column.kind):
            yield f"{column.name} {value!r} is not of type {column.kind.__name__}"
    if row["schema"] != SCHEMA_VERSION:
        yield f"schema {row['schema']} is not {SCHEMA_VERSION}, write the table anew"
    if row["schedule"] not in SCHEDULES:
        yield f"schedule {row['schedule']!r} is not one of {', '.join(SCHEDULES)}"
    if row.get("past") not in (None, *PAST):
        yield f"past {row['past']!r} is not one of {', '.join(PAST)}"
    if row.get("value") is not None:
        wrong = misfit(row["value"], row.get("unit"))
        if wrong:
            yield f"value {row['value']} is {wrong}"


def _fits(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, kind)


def _describe(row: TableRow) -> str:
    return ", ".join(f"{name}={row[name]}" for name in ROW_KEY if row.get(name) is not None)
