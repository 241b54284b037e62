"""Reading TRACE-format files: a JSON list of {"prompt", "answer"}; imports no torch."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.errors import DataError, first_line

Row = dict[str, Any]
SPLITS = ("train", "eval", "test")
REMEMBERED = 32  # files whose rows are kept


def split_path(root: str, folder: str, split: str) -> Path:
    """The file of one split. Raises DataError that names what is missing and what is there."""
    base = Path(root)
    if not base.is_dir():
        raise DataError(f"data folder {base} does not exist; set data.root=<folder>")
    task = base / folder
    if not task.is_dir():
        raise DataError(f"{task} does not exist; {_hint(base, folder)}")
    path = task / f"{split}.json"
    if not path.is_file():
        raise DataError(
            f"{path} does not exist; a task folder holds train.json, eval.json, test.json"
        )
    return path


def _hint(base: Path, folder: str) -> str:
    """Where the task's folder lies instead, if a root was given one level too high or too low."""
    folders = sorted(entry.name for entry in base.iterdir() if entry.is_dir())
    deeper = [name for name in folders if (base / name / folder).is_dir()]
    for right in (*(base / name for name in deeper), base.parent):
        if (right / folder).is_dir():
            return f"did you mean the root {right}?"
    return f"folders there: {', '.join(folders[:12]) or 'none'}"


def read_rows(path: Path) -> list[Row]:
    """All rows of a file, checked; they are shared, so none may be changed. Raises DataError naming
    the file and the row."""
    status = path.stat()
    return _read(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=REMEMBERED)
def _read(path: Path, size: int, changed: int) -> list[Row]:
    """Each state of a file is parsed once: a plan looks at the same rows in many places."""
    return parse_rows(path.read_bytes(), str(path))


def parse_rows(content: bytes, where: str) -> list[Row]:
    """All rows of a file's bytes, checked. Raises DataError naming `where` and the row."""
    try:
        text = content.decode("utf-8")
        rows = json.loads(text)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: not UTF-8 text ({error.reason} at byte {error.start})"
        ) from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where}: malformed JSON in row {_row_of(text, error.pos)}: {error.msg} "
            f"(line {error.lineno})"
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deeply, a number of 5,000 digits
        raise DataError(f"{where}: cannot be read as JSON: {first_line(error)}") from error
    if not isinstance(rows, list):
        raise DataError(f'{where}: expected a JSON list of {{"prompt", "answer"}} objects')
    if not rows:
        raise DataError(f"{where}: the split is empty; it needs at least one row")
    for index, row in enumerate(rows):
        _check_row(where, index, row)
    return rows


def _check_row(path: str, index: int, row: Any) -> None:
    if not isinstance(row, dict):
        raise DataError(f"{path}: row {index} is not an object with prompt and answer")
    for name in ("prompt", "answer"):
        if name not in row:
            raise DataError(f"{path}: row {index} has no '{name}'")
        if not isinstance(row[name], str):
            kind = type(row[name]).__name__
            raise DataError(f"{path}: row {index}: '{name}' is {kind}, it must be a string")
    if not row["prompt"]:
        raise DataError(f"{path}: row {index}: 'prompt' is empty")


def _row_of(text: str, position: int) -> int:
    """Index of the row that holds a character position: decode rows until one fails."""
    decoder = json.JSONDecoder()
    at, index = text.find("[") + 1, 0
    while at < position:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            _, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            break
        index += 1
    return index
