"""The score matrix R[stage, task] of one run, with missing cells and the run's schedule."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.config import PastCells, Schedule
from harness.errors import ConfigError, DataError
from harness.results.measures.item_errors import ItemScores, without_spread

SCHEDULES = tuple(str(word) for word in Schedule)
PAST = tuple(str(word) for word in PastCells)

Rows = tuple[tuple[float | None, ...], ...]
Place = tuple[int, int]  # stage and 0-based column


def _no_items(place: Place) -> None:
    """Of matrices whose items nobody looks for."""


@dataclass(frozen=True)
class ScoreMatrix:
    """Scores of T tasks at stages 0..T; stage t is the model after training t tasks.

    values: T + 1 rows of T scores in 0..1 (None = not measured), rows in stage order and columns in
        the order of training.
    stderr: standard errors of the same shape (None = unknown), or None.
    schedule: what the run did, hence which cells it promises:
        `sequential` the lower triangle R[t, i], i <= t;
        `joint` row T (one model trained on all tasks at once);
        `single` the diagonal R[i, i] (T models, each trained on one task);
        `none` row 0 (no training, prompting only).
    past: `all`, or `ends` if a sequential run scored row T and the diagonal only; the measures
        that need the whole triangle are then null.
    items: the item scores of a cell, whose mean is its value; null where they are not known.
    """

    tasks: tuple[str, ...]
    values: Rows
    stderr: Rows | None = None
    schedule: str = "sequential"
    past: str = "all"
    items: Callable[[Place], ItemScores | None] = field(
        default=_no_items, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        _check_choice("schedule", self.schedule, SCHEDULES)
        _check_choice("past", self.past, PAST)
        if not self.tasks:
            raise DataError("a score matrix needs at least one task, found none")
        for rows in (self.values, self.stderr):
            if rows is not None:
                _check_shape(rows, len(self.tasks))

    @classmethod
    def from_cells(
        cls,
        tasks: Sequence[str],
        values: Mapping[tuple[int, str], float],
        stderr: Mapping[tuple[int, str], float | None] | None = None,
        **options: str,
    ) -> "ScoreMatrix":
        """Build a matrix from {(stage, task name): score}; cells that are not there are missing."""
        stages = range(len(tasks) + 1)
        rows = tuple(tuple(values.get((t, name)) for name in tasks) for t in stages)
        errors = stderr or {}
        spread = tuple(tuple(errors.get((t, name)) for name in tasks) for t in stages)
        return cls(tuple(tasks), rows, spread, **options)

    @property
    def size(self) -> int:
        """T, the number of tasks."""
        return len(self.tasks)

    def has(self, place: Place) -> bool:
        """Whether a cell was measured."""
        stage, column = place
        return self.values[stage][column] is not None

    def value(self, place: Place) -> float:
        """The score of a cell; a missing one is a DataError."""
        stage, column = place
        score = self.values[stage][column]
        if score is None:
            raise DataError(
                f"no score for task {self.tasks[column]!r} at stage {stage}, which the schedule "
                f"{self.schedule!r} of {self.size} tasks promises; add that cell"
            )
        return score

    def error(self, place: Place) -> float | None:
        """The standard error of a cell, null where unknown."""
        stage, column = place
        return None if self.stderr is None else self.stderr[stage][column]

    def promised(self) -> Iterator[Place]:
        """Yield the cells that the schedule promises, by stage and column."""
        size = self.size
        if self.schedule in ("joint", "none"):
            stage = size if self.schedule == "joint" else 0
            yield from ((stage, column) for column in range(size))
        elif self.schedule == "single":
            yield from diagonal(size)
        else:
            sparse = self.past == "ends"
            for stage in range(1, size + 1):
                first = stage - 1 if sparse and stage < size else 0
                yield from ((stage, column) for column in range(first, stage))

    def missing(self) -> list[tuple[int, str]]:
        """Return (stage, task name) of every promised cell without a score."""
        return [(stage, self.tasks[i]) for stage, i in self.promised() if not self.has((stage, i))]


def diagonal(size: int) -> list[Place]:
    """Return the cells of each task right after its own training."""
    return [(column + 1, column) for column in range(size)]


def binomial_stderr(value: float, n: int) -> float:
    """Return sqrt(p (1 - p) / n), the standard error of a mean p of n scores in 0..1.

    Exact for right/wrong items and an upper bound for graded ones: no distribution on 0..1 with
    mean p has a larger variance than p (1 - p). At 0 and 1 it is that of items without spread.
    """
    return max(math.sqrt(value * (1.0 - value) / n), without_spread(n))


def _check_choice(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ConfigError(f"unknown {what} {given!r}; it is one of {', '.join(known)}")


def _check_shape(rows: Rows, size: int) -> None:
    widths = sorted({len(row) for row in rows})
    if len(rows) != size + 1 or widths != [size]:
        raise DataError(
            f"a score matrix of {size} tasks needs {size + 1} rows (stages 0..{size}) of {size} "
            f"cells, found {len(rows)} rows of {widths} cells"
        )
