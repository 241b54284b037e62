"""The scores that a CSV file has of the tasks of a sequence: a plain list of them, or the tidy
table's."""

import csv
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError
from harness.results.columns import TableRow, is_done, is_target
from harness.results.measures.item_errors import score_error
from harness.results.measures.matrix import binomial_stderr
from harness.results.schema import read_scores
from harness.store.scores import Settings

PLAIN_COLUMNS = ("stage", "task", "value")
TIDY_COLUMNS = ("stage", "benchmark", "value", "suite", "headline", "subtask", "tasks", "schedule")
SETTING = ("model", "data", "protocol")
# Settings of what is measured beside the tasks, and of the method, which its name stands for.
_BESIDE = ("method.", "suite", "judge")


@dataclass(frozen=True)
class Score:
    """One checked score; `place` is where the file has it."""

    place: str
    run: str
    seed: str
    stage: int
    task: str
    value: float
    stderr: float | None
    order: str = ""
    schedule: str = ""
    past: str = ""
    method: str = ""
    setting: tuple[str, ...] = ()
    group: str = ""
    floor: float | None = None


def target_scores(path: Path) -> list[Score]:
    """Every score of the file, in its order. Raises DataError naming file and place."""
    return _table_scores(path) if _is_table(path) else _plain_scores(path)


def _is_table(path: Path) -> bool:
    """Whether a file has the columns of the tidy table; what cannot be read is refused later."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return "task" not in columns and set(TIDY_COLUMNS) <= set(columns)


def left_out(path: Path) -> list[str]:
    """A line for each run of a tidy table that has no scores here since a stage of it diverged or
    failed."""
    if not _is_table(path):
        return []
    ended = _ended(read_scores(path).rows)
    return [f"run {run} is left out: it {how} at stage {at}" for run, (at, how) in ended.items()]


def _ended(rows: Iterable[TableRow]) -> dict[str, tuple[int, str]]:
    """Run -> the first stage of which a score is known not to be there, and why."""
    found = dict[str, tuple[int, str]]()
    for row in rows:
        if is_target(row) and not is_done(row) and row["stage"] > 0:
            at = row["stage"], row["status"]
            found[row["run"]] = min(at, found.get(row["run"], at))
    return found


def _table_scores(path: Path) -> list[Score]:
    every = read_scores(path).rows
    ended = _ended(every)
    rows = [row for row in every if is_target(row) and is_done(row) and row["run"] not in ended]
    if not rows:
        raise DataError(f"{path}: holds no headline score of a target task")
    return [_of_row(row) for row in rows]


def _of_row(row: TableRow) -> Score:
    rest = {k: v for k, v in (row["settings"] or {}).items() if not _is_beside(k)}
    return Score(
        place=f"the row of {row['metric']}, filter {row['filter']}, split {row['split']}",
        run=row["run"],
        seed="" if row["seed"] is None else str(row["seed"]),
        stage=row["stage"],
        task=row["benchmark"],
        value=float(row["value"] or 0.0),
        stderr=score_error(row["stderr"], row["n"]),
        order=row["tasks"],
        schedule=row["schedule"],
        past=row["past"] or "",
        method=row["method"],
        setting=(row["model"], row["data"] or "", row["protocol"] or "", _as_text(rest)),
        group=row["group"] or "",
        floor=row["floor"],
    )


def _is_beside(name: str) -> bool:
    return name.lstrip("~").startswith(_BESIDE)


def _as_text(settings: Settings) -> str:
    return json.dumps(settings, sort_keys=True)


def _plain_scores(path: Path) -> list[Score]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            scores = list(_parse(path, csv.DictReader(file, skipinitialspace=True)))
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; needs a CSV file with the columns {','.join(PLAIN_COLUMNS)}"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV file in UTF-8: {error}") from None
    if not scores:
        raise DataError(f"{path}: holds no score below its header")
    return scores


def _parse(path: Path, reader: csv.DictReader) -> Iterator[Score]:
    columns = [(name or "").strip() for name in reader.fieldnames or ()]
    if not any(columns):
        raise DataError(f"{path}: is empty; needs the columns {','.join(PLAIN_COLUMNS)}")
    _check_columns(path, columns, PLAIN_COLUMNS)
    reader.fieldnames = columns
    for row in reader:
        line = f"line {reader.line_num}"
        if None in row or None in row.values():
            raise DataError(f"{path}, {line}: needs {len(columns)} fields, as the header")
        yield _score(path, line, {name: text.strip() for name, text in row.items()})


def _check_columns(path: Path, columns: list[str], needed: Iterable[str]) -> None:
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise DataError(
            f"{path}: lacks the column {lacking[0]!r}; needs {','.join(PLAIN_COLUMNS)} and may "
            f"have n,stderr,floor,run,seed; found {','.join(columns)}"
        )
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise DataError(f"{path}: the column {twice[0]!r} appears twice")


def _score(path: Path, line: str, fields: dict[str, str]) -> Score:
    place = f"{path}, {line}"
    if not fields["task"]:
        raise DataError(f"{place}: the task has no name")
    value = _fraction(place, "value", fields["value"])
    return Score(
        place=line,
        run=fields.get("run", ""),
        seed=fields.get("seed", ""),
        stage=_whole(place, "stage", fields["stage"], 0),
        task=fields["task"],
        value=value,
        stderr=_stderr(place, fields, value),
        order=fields.get("tasks", ""),
        schedule=fields.get("schedule", ""),
        past=fields.get("past", ""),
        method=fields.get("method", ""),
        setting=tuple(fields.get(name, "") for name in SETTING),
        group=fields.get("group", ""),
        floor=_fraction(place, "floor", fields["floor"]) if fields.get("floor") else None,
    )


def _fraction(place: str, name: str, text: str) -> float:
    number = _number(place, name, text)
    if not 0.0 <= number <= 1.0:
        raise DataError(
            f"{place}: {name} {text} is outside 0..1; scores are fractions, divide percentages by "
            "100"
        )
    return number


def _stderr(place: str, fields: dict[str, str], value: float) -> float | None:
    if fields.get("stderr"):
        stderr = _number(place, "stderr", fields["stderr"])
        if stderr < 0:
            raise DataError(f"{place}: stderr {fields['stderr']} is negative; it must be >= 0")
        return stderr
    if fields.get("n"):
        return binomial_stderr(value, _whole(place, "n", fields["n"], 1))
    return None


def _whole(place: str, name: str, text: str, least: int) -> int:
    number = _number(place, name, text)
    if number != int(number) or number < least:
        raise DataError(f"{place}: {name} {text} must be a whole number >= {least}")
    return int(number)


def _number(place: str, name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{place}: {name} {text!r} is not a number")
    return number
