"""The tidy table: one row per score, its columns, and reading and writing it as CSV.

The table is rebuilt from records of runs and nodes and never appended to. Rows come in one order,
numbers in their shortest exact form and settings as JSON, so equal scores give equal bytes.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.results.columns import BY_NAME, NULLS, ROW_KEY, TableRow, check_rows
from harness.store.files import write_atomically

if TYPE_CHECKING:
    from pandas import DataFrame

OLD = "variant"  # a column of version 0.1, whose settings were one text


_DTYPES = {str: "string", int: "Int64", float: "float64", bool: "boolean", dict: "object"}


@dataclass(frozen=True)
class Scores:
    """The checked rows of a table, in its order."""

    rows: tuple[TableRow, ...]

    @classmethod
    def of(cls, rows: Iterable[TableRow]) -> "Scores":
        """Rows in whatever order. Raises DataError where they are no table."""
        whole: list[TableRow] = [{**NULLS, **row} for row in rows]  # type: ignore[typeddict-item]
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
        names = [*BY_NAME, *_extra_columns(self.rows)]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        kinds = [(name, BY_NAME[name].kind if name in BY_NAME else str) for name in names]
        writer.writerows([_cell(kind, row.get(name)) for name, kind in kinds] for row in self.rows)
        return text.getvalue()

    def frame(self) -> "DataFrame":
        """A pandas frame with typed columns; nulls are NaN or <NA>."""
        import pandas as pd

        names = [*BY_NAME, *_extra_columns(self.rows)]
        kinds = {name: BY_NAME[name].kind if name in BY_NAME else str for name in names}
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


def _extra_columns(rows: Iterable[TableRow]) -> list[str]:
    return sorted({name for row in rows for name in row} - set(BY_NAME))


def _sort_key(row: TableRow) -> tuple[Any, ...]:
    # Nulls sort first; the flag keeps None from being compared with text.
    return tuple(
        (row.get(name) is not None, "" if row.get(name) is None else row[name]) for name in ROW_KEY
    )


def _cell(kind: type, value: object) -> str:
    if value is None:
        return ""
    if kind is str:
        return str(value)
    if kind is dict:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return repr(float(value)) if kind is float else str(value)  # type: ignore[arg-type]


def _parsed(place: str, fields: Mapping[str | None, Any]) -> TableRow:
    if None in fields or None in fields.values():
        raise DataError(f"{place}: has more or fewer fields than the header")
    told = {name: _value(place, name, text) for name, text in fields.items()}
    return {**NULLS, **told}  # type: ignore[typeddict-item]


_WANTED = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    dict: "a JSON object",
}


def _value(place: str, name: str, text: str) -> Any:
    if text == "":
        return None
    kind = BY_NAME[name].kind if name in BY_NAME else str
    read = {bool: {"True": True, "False": False}.__getitem__, dict: json.loads}.get(kind, kind)
    try:
        return read(text)
    except (ValueError, KeyError):
        raise DataError(f"{place}: {name} {text!r} is not {_WANTED[kind]}") from None
