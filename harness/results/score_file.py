"""Score matrices from a CSV file: a plain list of scores, or the harness's own tidy table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from harness.errors import ConfigError, DataError
from harness.results.measures.matrix import ScoreMatrix
from harness.results.target_scores import Score, target_scores


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
    runs: dict[tuple[str, str], list[Score]] = {}
    for score in target_scores(path):
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
