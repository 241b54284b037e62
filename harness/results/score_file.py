"""Score matrices from a CSV file: a plain list of scores, or the harness's own tidy table."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from harness.errors import ConfigError, DataError
from harness.results.measures.matrix import ScoreMatrix, binomial_stderr
from harness.results.schema import TableRow, is_done, is_target, read_scores
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


@dataclass(frozen=True)
class RunScores:
    """The scores of one run: its name and seed ("" if the file has none) and its matrix.

    setting: what runs share whose scores compare, as far as the file tells: SETTING, and settings
    of neither the method nor the suites. group: what runs share that differ in their seed alone,
    "" if the file does not tell. floors: task -> score without skill, of tasks whose file has it.
    """

    run: str
    seed: str
    matrix: ScoreMatrix
    method: str = ""
    setting: tuple[str, ...] = ()
    group: str = ""
    floors: Mapping[str, float] = field(default_factory=dict)


def read_runs(
    path: Path, order: Sequence[str] = (), schedule: str = "", past: str = ""
) -> list[RunScores]:
    """Read every (run, seed) of a CSV file.

    path: columns stage, task, value (0..1) and optionally n, stderr, floor, run, seed; or the tidy
        table `results/scores.csv`, of which the headline scores of the target tasks are used.
    order: task names in the order of training; without it, the table's own order, else the order
        of first appearance at a stage >= 1.
    schedule, past: what the runs promise (see ScoreMatrix); without them, the table's own values,
        else a sequential run with the whole triangle.

    Raises DataError (file, line and what would be right) or ConfigError (order, schedule).
    """
    scores = _table_scores(path) if _is_table(path) else _plain_scores(path)
    runs: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        runs.setdefault((score.run, score.seed), []).append(score)
    return [
        RunScores(
            run,
            seed,
            _matrix(path, rows, order, schedule, past),
            method=rows[0].method,
            setting=rows[0].setting,
            group=rows[0].group,
            floors={row.task: row.floor for row in rows if row.floor is not None},
        )
        for (run, seed), rows in runs.items()
    ]


def _matrix(
    path: Path, rows: list[Score], order: Sequence[str], schedule: str, past: str
) -> ScoreMatrix:
    schedule = schedule or rows[0].schedule or "sequential"
    past = past or rows[0].past or "all"
    known = list(dict.fromkeys(row.task for row in rows))
    given = order or (rows[0].order.split("|") if rows[0].order else ())
    tasks = _checked(given, known) if given else _appearance(path, rows, known, schedule)
    values: dict[tuple[int, str], float] = {}
    places: dict[tuple[int, str], str] = {}
    for row in rows:
        cell = row.stage, row.task
        if cell in values:
            raise DataError(
                f"{path}, {row.place}: task {row.task!r} at stage {row.stage} was already scored "
                f"in {places[cell]}; keep one row per cell (run, seed tell runs apart)"
            )
        if row.stage > len(tasks):
            raise DataError(
                f"{path}, {row.place}: stage {row.stage}, but {len(tasks)} tasks have stages "
                f"0..{len(tasks)} only"
            )
        values[cell], places[cell] = row.value, row.place
    errors = {(row.stage, row.task): row.stderr for row in rows}
    return ScoreMatrix.from_cells(tasks, values, errors, schedule=schedule, past=past)


def _checked(order: Sequence[str], known: list[str]) -> list[str]:
    unknown = [name for name in order if name not in known]
    lacking = [name for name in known if name not in order]
    if unknown:
        raise ConfigError(
            f"the order names {unknown[0]!r}, which has no score; scored: {', '.join(known)}"
        )
    if lacking or len(set(order)) < len(order):
        raise ConfigError(
            f"the order must name each of {', '.join(known)} exactly once, got {', '.join(order)}"
        )
    return list(order)


def _appearance(path: Path, rows: list[Score], known: list[str], schedule: str) -> list[str]:
    """Order tasks by the first stage >= 1 at which they are scored."""
    if schedule in ("joint", "none"):
        return known
    first: dict[str, int] = {}
    for row in rows:
        if row.stage >= 1:
            first[row.task] = min(row.stage, first.get(row.task, row.stage))
    for name in known:
        if name not in first:
            raise DataError(f"{path}: task {name!r} has no score at a stage >= 1; add its rows")
    ordered = sorted(first, key=lambda name: first[name])
    for left, right in pairwise(ordered):
        if first[left] == first[right]:
            raise ConfigError(
                f"{path}: tasks {left!r} and {right!r} first appear together at stage "
                f"{first[left]}; give the order of training, --order {','.join(ordered)} or another"
            )
    return ordered


def _is_table(path: Path) -> bool:
    """Whether a file has the columns of the tidy table; what cannot be read is refused later."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return "task" not in columns and set(TIDY_COLUMNS) <= set(columns)


def _table_scores(path: Path) -> list[Score]:
    rows = [row for row in read_scores(path).rows if is_target(row) and is_done(row)]
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
        stderr=row["stderr"],
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
