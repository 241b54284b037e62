"""How many steps bring a lost task back, beside those that it took to learn it.

A run whose last task was trained before is one of relearning, a run of that task alone one of first
learning. Runs that were stopped after different numbers of steps are points of one curve.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import DataError
from harness.results.columns import TableRow, is_done, is_target
from harness.results.report.printing import DASH, Entry, Heading, Points, Table
from harness.store.scores import COST

Curve = dict[int, float]  # optimizer steps on the task -> its score in 0..1, 0 = before
_STEPS = "optimizer_steps"
_CAPTION = (
    "Steps until the score of a task that was trained again is back at what it was at its own "
    "stage (target), beside those that the initial model takes to the same score (first): of the "
    "numbers of steps that were tried the smallest that gets there, and the last before it. "
    "Saved: what relearning needs less, in % of first learning (Ebbinghaus' savings)."
)
_CURVE_CAPTION = (
    "Scores x 100 after so many optimizer steps on a task: from the initial model (first), and "
    "from one that had learned it and gone on to other tasks (again). 0: before the first step."
)


@dataclass
class Relearned:
    """One task of one sequence under one method and seed. target: its score at its own stage."""

    model: str
    method: str
    seed: int | None
    tasks: str
    task: str
    target: float
    again: Curve = field(default_factory=dict)
    first: Curve = field(default_factory=dict)


def relearned(rows: Iterable[TableRow]) -> list[Relearned]:
    """All that a table of scores tells. Raises DataError where it tells of none."""
    runs = _by_run(rows)
    found: dict[tuple[object, ...], Relearned] = {}
    for run in runs:
        name = run.tasks[-1].partition("#")[0]
        if name not in run.tasks[:-1]:
            continue
        target = run.scores.get((run.tasks.index(name) + 1, name))
        steps, last = run.steps.get(len(run.tasks)), run.scores.get((len(run.tasks), run.tasks[-1]))
        if target is None or steps is None or last is None:
            continue
        key = (*run.about, run.tasks)
        one = found.setdefault(key, _new(run, name, target))
        one.again[steps] = last
        before = run.scores.get((len(run.tasks) - 1, name))
        if before is not None:
            one.again[0] = before
    if not found:
        raise DataError(
            "the table has no run whose last task was trained before; "
            "`python -m harness -m experiment=relearning` makes some"
        )
    for (*about, _), one in found.items():
        one.first = dict(_first(runs, about, one.task))
    return list(found.values())


def steps_to(curve: Curve, target: float) -> tuple[int | None, int | None]:
    """(largest number of steps before it, smallest number of steps with it) of a target; None where
    there is none. Scores that fall again later do not matter."""
    below = None
    for steps in sorted(curve):
        if curve[steps] >= target:
            return below, steps
        below = steps
    return below, None


def saved(one: Relearned) -> float | None:
    """1 - steps of relearning / steps of first learning; None where either is not known."""
    (_, again), (_, first) = steps_to(one.again, one.target), steps_to(one.first, one.target)
    return None if again is None or not first else 1 - again / first


def relearning_table(found: Sequence[Relearned], digest: str) -> Table:
    """A row for every task that was trained again."""
    headings = (
        *(Heading(name.capitalize(), name) for name in ("model", "method")),
        Heading("Seed", "seed", numeric=True),
        Heading("Task", "task"),
        Heading("Stages between", "stages_between", numeric=True),
        Heading("Target", "target", numeric=True),
        Heading("Lost to", "lost_to", numeric=True),
        Heading("Back after", "steps_again", numeric=True),
        Heading("First after", "steps_first", numeric=True),
        Heading("Saved %", "saved_percent", numeric=True),
    )
    rows = tuple(tuple(_row(one)) for one in found)
    return Table("Relearning", headings, rows, _CAPTION, "relearning", digest)


def curve_table(found: Sequence[Relearned], digest: str) -> Table:
    """A row for every number of steps that was tried."""
    headings = (
        *(Heading(name.capitalize(), name) for name in ("model", "method")),
        Heading("Seed", "seed", numeric=True),
        Heading("Task", "task"),
        Heading("Steps", "steps", numeric=True),
        Heading("First", "first", numeric=True),
        Heading("Again", "again", numeric=True),
    )
    rows = [
        (*_about(one), steps, _points(one.first.get(steps)), _points(one.again.get(steps)))
        for one in found
        for steps in sorted({*one.first, *one.again})
    ]
    title = "Relearning, step by step"
    return Table(title, headings, tuple(rows), _CURVE_CAPTION, "relearning_curve", digest)


@dataclass(frozen=True)
class _Run:
    about: tuple[str, str | None, str, int | None]  # model, data, method, seed
    tasks: tuple[str, ...]
    scores: Mapping[tuple[int, str], float]
    steps: Mapping[int, int]


def _by_run(rows: Iterable[TableRow]) -> list[_Run]:
    found: dict[str, _Run] = {}
    for row in rows:
        if not is_done(row) or row["schedule"] != "sequential":
            continue
        about = (row["model"], row["data"], row["method"], row["seed"])
        run = found.setdefault(row["run"], _Run(about, tuple(row["tasks"].split("|")), {}, {}))
        value = row["value"]
        if is_target(row):
            run.scores[row["stage"], row["benchmark"]] = value  # type: ignore[index]
        elif row["suite"] == COST and row["metric"] == _STEPS:
            run.steps[row["stage"]] = int(value or 0)  # type: ignore[index]
    return list(found.values())


def _first(runs: Sequence[_Run], about: Sequence[object], task: str) -> Iterator[tuple[int, float]]:
    """Points of runs of the task alone, with what else is the same."""
    for run in runs:
        if run.tasks == (task,) and list(run.about) == list(about):
            for stage, steps in ((0, 0), (1, run.steps.get(1))):
                value = run.scores.get((stage, task))
                if steps is not None and value is not None:
                    yield steps, value


def _new(run: _Run, task: str, target: float) -> Relearned:
    model, _, method, seed = run.about
    return Relearned(model, method, seed, "|".join(run.tasks), task, target)


def _row(one: Relearned) -> Iterator[Entry]:
    tasks = one.tasks.split("|")
    yield from _about(one)
    yield len(tasks) - 2 - tasks.index(one.task)
    yield _points(one.target)
    yield _points(one.again.get(0))
    yield _told(one.again, one.target)
    yield _told(one.first, one.target)
    yield _points(saved(one))


def _about(one: Relearned) -> tuple[Entry, ...]:
    return one.model, one.method, DASH if one.seed is None else one.seed, one.task


def _told(curve: Curve, target: float) -> str:
    """As `8 (not 4)`, or that what was tried does not reach it."""
    below, steps = steps_to(curve, target)
    if steps is None:
        return DASH if below is None else f"not after {below}"
    return str(steps) if below is None else f"{steps} (not {below})"


def _points(value: float | None) -> Points:
    return Points(None if value is None else 100 * value)
