"""What a score is: its row, its unit and range, its error; and what work costs."""

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NotRequired, TypedDict

from harness.store.status import Status

SCORE_UNIT = "score"
JUDGE_POINTS = "judge_points"  # of a judge's net win
JUDGE_RATE = "judge_rate"  # share of the pairs that a judge saw
DONE = Status.done.value  # status of a row
# What stands for a suite in rows of the sequence's tasks, and of costs; no suite is called so.
TARGET, COST = "target", "cost"

# Values of these units are bounded; those of any other are numbers.
RANGES = {SCORE_UNIT: (0, 1), JUDGE_POINTS: (-50, 50), JUDGE_RATE: (0, 1)}


# What tells runs of one method apart: key of the configuration -> its value, as JSON.
Settings = dict[str, Any]


class ScoreRow(TypedDict):
    """One score of an eval or judge node, as its scores.json has it."""

    subtask: str | None  # part of the benchmark; null = the whole
    metric: str
    filter: str  # lm-eval's filter; "none" = answers as they are
    value: float | None  # null = there was nothing to rate (a judge without any verdict)
    stderr: float | None  # null = of one item, or of a score that is no mean over items
    n: int | None  # items; null = another program's result that does not tell
    higher_is_better: bool
    unit: NotRequired[str]  # missing = that of the benchmark (nodes of before, imports)
    floor: NotRequired[float | None]  # missing = judged or imported; null = not known


class RunColumns(TypedDict):
    """What all rows of a run have in common."""

    run: str
    group: str | None
    settings: Settings | None  # null = written by another program
    experiment: str | None
    model: str
    sequence: str
    data: str | None
    method: str
    seed: int | None
    schedule: str
    past: str | None
    protocol: str | None
    backend: str | None
    tasks: list[str]


def is_score(unit: str | None) -> bool:
    """Whether values of this unit are scores in 0..1."""
    return unit is None or unit == SCORE_UNIT


def is_number(value: object) -> bool:
    """True for int and float, false for a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: float) -> bool:
    """Is it a finite number, that a float can hold?"""
    return -sys.float_info.max <= value <= sys.float_info.max


def misfit(value: object, unit: str | None) -> str | None:
    """What a value of a unit (null = score) is that it must not be; null if it is one."""
    if isinstance(value, bool):
        value = float(value)
    if not isinstance(value, int | float) or value != value:  # only nan is not itself
        return "not a number"
    low, high = RANGES.get(unit or SCORE_UNIT, (-math.inf, math.inf))
    if not low <= value <= high:
        return f"outside {low}..{high}"
    return None if is_finite(value) else "not finite"


def wrong_score(rows: Iterable[ScoreRow], unit: str | None = None) -> str | None:
    """The first value of a node that is no value of its unit, in words; null where all are.

    unit: that of rows which have none. Without a value there is nothing wrong with a row.
    """
    for row in rows:
        lacking = sorted(ScoreRow.__required_keys__ - row.keys())
        if lacking:
            return f"a row of scores lacks {lacking[0]}"
        value = row["value"]
        problem = value is not None and misfit(value, row.get("unit", unit))
        if problem:
            part = f" of {row['subtask']}" if row["subtask"] else ""
            return f"{row['metric']}{part} is {value!r}, which is {problem}"
    return None


def combined_error(
    errors: Iterable[float | None], weights: Sequence[float] | None = None
) -> float | None:
    """Standard error of a weighted sum (weights 1 if null) of independent parts; null where that
    of a part is."""
    known = list(errors)
    if any(error is None for error in known):
        return None
    factors = [1.0] * len(known) if weights is None else weights
    return math.hypot(*(w * (e or 0.0) for w, e in zip(factors, known, strict=True)))


@dataclass(frozen=True)
class Cost:
    """One kind of cost: its unit, how a whole run's comes from those of its stages (their sum, or
    the most of what is held at a time), and how tables print it (no title = not at all)."""

    name: str
    unit: str
    of_run: Callable[[Iterable[float]], float] = sum
    title: str = ""
    form: str = "{:.0f}"
    scale: float = 1.0


def _cost(unit: str, *rules: Any, **default: Any) -> Any:
    return field(metadata={"cost": (unit, *rules)}, **default)


@dataclass(frozen=True)
class StageCost:
    """What training one stage cost. A cost is named here and nowhere else.

    stored_examples: rows of earlier tasks that the method keeps. extra_parameters: values stored
    beside the model, which are counted once the stage is written. device_hours: of all ranks.
    peak_memory: the largest of a rank, in bytes.
    """

    optimizer_steps: int = _cost("steps", sum, "Steps")
    trained_tokens: int = _cost("tokens", sum, "Tokens")
    stored_examples: int = _cost("examples", max, "Stored rows")
    extra_parameters: int | None = _cost("parameters", max, "Extra weights", default=None)
    device_hours: float = _cost("hours", sum, "Device hours", "{:.3g}", default=0.0)
    peak_memory: int = _cost("bytes", max, "Peak GB", "{:.2f}", 1e9, default=0)


COSTS = tuple(Cost(spec.name, *spec.metadata["cost"]) for spec in fields(StageCost))
# Of judging one benchmark at one stage, as the judge's usage names them.
JUDGE_COSTS = (
    Cost("prompt_tokens", "tokens"),
    Cost("completion_tokens", "tokens"),
    Cost("price", "currency"),
)
