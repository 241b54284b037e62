"""The tidy table: one row per score, its columns, and reading and writing it as CSV.

The table is rebuilt from plan and nodes and never appended to. Rows come in one order and numbers
in their shortest exact form, so equal scores give equal bytes. Writing needs no pandas.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.results.measures.matrix import PAST, SCHEDULES
from harness.store.files import write_atomically
from harness.store.scores import DONE, SCORE_UNIT, is_score

if TYPE_CHECKING:
    from pandas import DataFrame


SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Column:
    """One column: its type in a row (`kind`), whether it may be null, and what it means."""

    name: str
    kind: type
    meaning: str
    nullable: bool = False


COLUMNS: tuple[Column, ...] = (
    Column("run", str, "id of the composed run"),
    Column("group", str, "id of what runs that differ in their seed only share", nullable=True),
    Column("variant", str, "settings that tell runs of one method apart", nullable=True),
    Column("experiment", str, "name of the experiment that asked for the run", nullable=True),
    Column("model", str, "name of the model"),
    Column("sequence", str, "name of the task sequence"),
    Column("data", str, "name of the data; null = not told", nullable=True),
    Column("method", str, "name of the method"),
    Column("seed", int, "seed of the run", nullable=True),
    Column("schedule", str, "sequential, joint, single or none: which cells the run promises"),
    Column("past", str, "all, or ends: only row T and diagonal are promised; null = all", True),
    Column("tasks", str, "the sequence's task names in order of training, joined with |"),
    Column("stage", int, "0 = the initial model, t = after t tasks"),
    Column("trained_task", str, "the task trained last; null at stage 0", nullable=True),
    Column("suite", str, "target, general, instruction, safety, diagnostic or cost"),
    Column("benchmark", str, "name of the task or benchmark"),
    Column(
        "side", str, "kind of score within a suite (BenchmarkConfig.side); null = one kind", True
    ),
    Column("subtask", str, "part of a benchmark; null = the whole", nullable=True),
    Column("metric", str, "name of the measured quantity"),
    Column("filter", str, "lm-eval filter that extracted the answer", nullable=True),
    Column("headline", bool, "true for the one metric that OP, BWT and deltas use"),
    Column("value", float, "the score in 0..1, or a measure in `unit`; null = not done", True),
    Column("stderr", float, "standard error over items; null = undefined", nullable=True),
    Column("floor", float, "what a model without skill scores (floors.py); null = unknown", True),
    Column("n", int, "number of items", nullable=True),
    Column("split", str, "evaluation data split", nullable=True),
    Column("shots", int, "number of demonstrations in the prompt", nullable=True),
    Column("protocol", str, "named set of decoding and scoring rules", nullable=True),
    Column("unit", str, f"{SCORE_UNIT} (also null): 0..1; else what `value` counts", nullable=True),
    Column("higher_is_better", bool, "direction of the metric; null = true", nullable=True),
    Column("backend", str, "generation backend", nullable=True),
    Column("status", str, f"{DONE}, or what happened instead"),
    Column("schema", int, f"version of this table: {SCHEMA_VERSION}"),
    Column("model_key", str, "content key of the model's node", nullable=True),
    Column("eval_key", str, "content key of the evaluation's node", nullable=True),
    Column("harness_version", str, "version that wrote the row", nullable=True),
)
ROW_KEY = ("run", "stage", "suite", "benchmark", "subtask", "metric", "filter", "split")

_BY_NAME = {column.name: column for column in COLUMNS}
_DTYPES = {str: "string", int: "Int64", float: "float64", bool: "boolean"}

Row = Mapping[str, Any]


def write_scores(rows: Iterable[Row], path: Path | str) -> Path:
    """Write rows (column name -> value, None = null) as CSV, atomically and in a fixed order.

    Columns that COLUMNS does not know are kept, as text, behind the known ones. Raises DataError
    for a missing column, a wrong type, a score outside 0..1 or two rows for one score.
    """
    return write_atomically(Path(path), scores_text(rows))


def read_scores(path: Path | str) -> DataFrame:
    """Read and check a table of scores; nulls are NaN or <NA>, columns typed as in COLUMNS."""
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            rows = [_parsed(f"{path}, line {reader.line_num}", fields) for fields in reader]
    except FileNotFoundError:
        raise DataError(
            f"{path}: no table of scores there; a run writes it, or name one with --scores"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV file in UTF-8: {error}") from None
    check_rows(rows, columns, f"{path}: ")
    return to_frame(rows)


def to_frame(rows: Sequence[Row]) -> DataFrame:
    """Return rows as a frame with the dtypes of COLUMNS, in the table's order."""
    import pandas as pd

    ordered = sorted(rows, key=_sort_key)
    names = [*_BY_NAME, *_extra_columns(ordered)]
    kinds = {name: _BY_NAME[name].kind if name in _BY_NAME else str for name in names}
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in ordered], dtype=_DTYPES[kind])
            for name, kind in kinds.items()
        }
    )


def frame_rows(frame: DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as plain Python values, None for null."""
    import pandas as pd

    plain = frame.astype(object).where(pd.notna(frame), None)
    return [_typed(row) for row in plain.to_dict("records")]


def scores_digest(frame: DataFrame) -> str:
    """Return the first 12 hex digits of the sha256 of the table as write_scores writes it."""
    return hashlib.sha256(scores_text(frame_rows(frame)).encode()).hexdigest()[:12]


def scores_text(rows: Iterable[Row]) -> str:
    """Return the CSV text of checked rows, in the table's order."""
    ordered = sorted(rows, key=_sort_key)
    extra = _extra_columns(ordered)
    check_rows(ordered, [*_BY_NAME, *extra])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_BY_NAME, *extra])
    for row in ordered:
        writer.writerow([_cell(name, row.get(name)) for name in (*_BY_NAME, *extra)])
    return text.getvalue()


def _extra_columns(rows: Iterable[Row]) -> list[str]:
    return sorted({name for row in rows for name in row} - set(_BY_NAME))


def _sort_key(row: Row) -> tuple[Any, ...]:
    # Nulls sort first; the flag keeps None from being compared with text.
    return tuple(
        (row.get(name) is not None, "" if row.get(name) is None else row[name]) for name in ROW_KEY
    )


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return repr(float(value)) if name in _BY_NAME and _BY_NAME[name].kind is float else str(value)


def _typed(row: Row) -> dict[str, Any]:
    return {
        name: value if value is None or name not in _BY_NAME else _BY_NAME[name].kind(value)
        for name, value in row.items()
    }


def _parsed(place: str, fields: Mapping[str | None, Any]) -> dict[str, Any]:
    if None in fields or None in fields.values():
        raise DataError(f"{place}: has more or fewer fields than the header")
    return {name: _value(place, name, text) for name, text in fields.items()}


def _value(place: str, name: str, text: str) -> Any:
    if text == "":
        return None
    kind = _BY_NAME[name].kind if name in _BY_NAME else str
    try:
        return {"True": True, "False": False}[text] if kind is bool else kind(text)
    except (ValueError, KeyError):
        wanted = {int: "a whole number", float: "a number", bool: "True or False"}[kind]
        raise DataError(f"{place}: {name} {text!r} is not {wanted}") from None


def check_rows(
    rows: Sequence[Row], columns: Iterable[str] = tuple(_BY_NAME), source: str = ""
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
        for problem in _problems(row):
            raise DataError(f"{source}{problem} in the row {_describe(row)}")
        key = tuple(row.get(name) for name in ROW_KEY)
        if key in seen:
            raise DataError(f"{source}two rows for one score, {_describe(row)}; keep one of them")
        seen.add(key)


def _problems(row: Row) -> Iterator[str]:
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
    value = row.get("value")
    if value is not None and is_score(row.get("unit")) and not 0.0 <= value <= 1.0:
        yield f"value {value} is outside 0..1"


def _fits(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, kind)


def _describe(row: Row) -> str:
    return ", ".join(f"{name}={row[name]}" for name in ROW_KEY if row.get(name) is not None)
