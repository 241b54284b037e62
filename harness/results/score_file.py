"""Read score matrices from a CSV file: a plain list of scores, or the harness's own tidy table."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from harness.errors import ConfigError, DataError
from harness.results.measures.matrix import ScoreMatrix, binomial_stderr

PLAIN_COLUMNS = ("stage", "task", "value")
TIDY_COLUMNS = ("stage", "benchmark", "value", "suite", "headline", "subtask", "tasks", "schedule")
SETTING = ("model", "data", "protocol", "variant")
_BESIDE = re.compile(r"[+~]*(method\.|(suite|judge)[.=@])")


@dataclass(frozen=True)
class Score:
    """One checked row of the file."""

    line: int
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

    setting: what runs share whose scores compare, as far as the file tells: SETTING, without the
    parameters of the method and the suites. group: what runs share that differ in their seed alone,
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
    scores = _read_scores(path)
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
    lines: dict[tuple[int, str], int] = {}
    for row in rows:
        cell = row.stage, row.task
        if cell in values:
            raise DataError(
                f"{path}, line {row.line}: task {row.task!r} at stage {row.stage} was already "
                f"scored in line {lines[cell]}; keep one row a cell (run, seed tell runs apart)"
            )
        if row.stage > len(tasks):
            raise DataError(
                f"{path}, line {row.line}: stage {row.stage}, but {len(tasks)} tasks have stages "
                f"0..{len(tasks)} only"
            )
        values[cell], lines[cell] = row.value, row.line
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


def _read_scores(path: Path) -> list[Score]:
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
    tidy = "task" not in columns and set(TIDY_COLUMNS) <= set(columns)
    _check_columns(path, columns, () if tidy else PLAIN_COLUMNS)
    reader.fieldnames = columns
    for row in reader:
        place = f"{path}, line {reader.line_num}"
        if None in row or None in row.values():
            raise DataError(f"{place}: needs {len(columns)} fields, as the header")
        fields = {name: text.strip() for name, text in row.items()}
        if tidy and not _is_target(fields):
            continue
        yield _score(place, reader.line_num, fields, fields["benchmark" if tidy else "task"])


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


def _is_target(fields: dict[str, str]) -> bool:
    headline = fields["headline"].lower() == "true"
    scored = fields.get("status", "") in ("", "done") and fields["value"] != ""
    return fields["suite"] == "target" and headline and scored and not fields["subtask"]


def _score(place: str, line: int, fields: dict[str, str], task: str) -> Score:
    if not task:
        raise DataError(f"{place}: the task has no name")
    value = _fraction(place, "value", fields["value"])
    return Score(
        line=line,
        run=fields.get("run", ""),
        seed=fields.get("seed", ""),
        stage=_whole(place, "stage", fields["stage"], 0),
        task=task,
        value=value,
        stderr=_stderr(place, fields, value),
        order=fields.get("tasks", ""),
        schedule=fields.get("schedule", ""),
        past=fields.get("past", ""),
        method=fields.get("method", ""),
        setting=tuple(_target_settings(fields.get(name, "")) for name in SETTING),
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


def _target_settings(words: str) -> str:
    """Overrides without those of the method, which its name stands for, and of what is measured
    beside the tasks."""
    overrides = re.split(r" (?=[+~]*[\w@/.-]+=)", words)
    return " ".join(word for word in overrides if not _BESIDE.match(word))


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
