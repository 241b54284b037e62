"""Reading publishers' files; every mistake names the file and the line."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.errors import DataError


def text(path: Path) -> str:
    """A whole file in UTF-8. Raises DataError where it is missing or not text."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error})") from None


def json_file(path: Path, *names: str) -> Any:
    """A JSON file; where it holds a list, every entry must have the fields `names`."""
    content = _parsed(text(path), f"{path}")
    if isinstance(content, list):
        _require_fields(path, "entry", content, names)
    return content


def json_lines(path: Path, *names: str) -> list[dict[str, Any]]:
    """One JSON object a line, each with the fields `names`."""
    lines = text(path).split("\n")  # splitlines() also splits inside some JSON strings
    rows = [_parsed(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line]
    _require_fields(path, "object", rows, names)
    return rows


def csv_rows(path: Path, *names: str) -> list[dict[str, str]]:
    """Rows of a CSV file whose header has the columns `names`."""
    reader = csv.DictReader(io.StringIO(text(path), newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None
    lacking = [name for name in names if name not in (reader.fieldnames or ())]
    if lacking:
        raise DataError(
            f"{path}: no column '{lacking[0]}'; its header must name {', '.join(names)}"
        )
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise DataError(f"{path}: row {number} has more or fewer fields than the header")
    return rows


def named_files(folder: Path, ending: str) -> dict[str, Path]:
    """Name without `ending` -> file, sorted by name. Raises DataError where there is none."""
    paths = sorted(folder.glob(f"*{ending}"))
    if not paths:
        raise DataError(f"{folder}/*{ending}: no such file")
    return {path.name.removesuffix(ending): path for path in paths}


def _parsed(content: str, place: str) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: malformed JSON ({error.msg})") from None


def _require_fields(path: Path, what: str, rows: Iterable[Any], names: tuple[str, ...]) -> None:
    for number, row in enumerate(rows, 1):
        lacking = [name for name in names if not isinstance(row, dict) or name not in row]
        if lacking:
            raise DataError(f"{path}: {what} {number} has no '{lacking[0]}'")
