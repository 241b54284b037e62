"""The loss along the straight line between two stages, and the height of its barrier.

The barrier is the largest height of the loss above the straight line through the losses of both
ends (arXiv 2110.06296, definition of the error barrier); 0 where it lies nowhere above.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from harness.errors import DAMAGED, DataError
from harness.results.columns import TableRow, is_done
from harness.results.report.printing import DASH, Entry, Heading, Table
from harness.store.scores import COST, is_score
from harness.store.store import Store

Curve = dict[float, float]  # alpha -> loss
_CAPTION = (
    "Along the straight line between the weights of two stages (alpha 0 and 1): the loss at both "
    "ends, its largest value, and the barrier, its largest height above the line through the "
    "losses of the ends. Measures that are scores are taken as errors, 100 - score x 100; "
    "perplexities as their logarithm."
)
_CURVE_CAPTION = "The loss at points of the straight line between the weights of two stages."
_ABOUT = (
    *(Heading(name.capitalize(), name) for name in ("model", "method")),
    Heading("Seed", "seed", numeric=True),
    Heading("From", "from_stage", numeric=True),
    Heading("To", "to_stage", numeric=True),
    Heading("Benchmark", "benchmark"),
    Heading("Measure", "measure"),
)


@dataclass
class Line:
    """A benchmark along one line, between two stages of a method's run."""

    model: str
    method: str
    seed: int | None
    start: int
    end: int
    benchmark: str
    measure: str
    losses: Curve = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Are both ends and something between them there?"""
        return {0.0, 1.0} < self.losses.keys()

    def barrier(self) -> tuple[float, float]:
        """(height, alpha where it is highest) of a whole line; (0, 0) where there is none."""
        first, last = self.losses[0.0], self.losses[1.0]
        heights = {a: loss - (1 - a) * first - a * last for a, loss in self.losses.items()}
        at = max(heights, key=lambda alpha: (heights[alpha], -alpha))
        return (heights[at], at) if heights[at] > 0 else (0.0, 0.0)


def lines(rows: Iterable[TableRow], store: Store) -> list[Line]:
    """All lines of a table of scores whose points are edits of this store. Raises DataError where
    there are none."""
    known: dict[str, tuple[object, ...] | None] = {}
    found: dict[tuple[object, ...], Line] = {}
    for row in rows:
        key = row["model_key"]
        if not is_done(row) or not row["headline"] or row["subtask"] or row["suite"] == COST:
            continue
        if key is None or row["side"] is not None:
            continue
        if key not in known:
            known[key] = _point(store, key)
        point = known[key]
        if point is None:
            continue
        alpha, start, *ends = point
        measure, loss = _loss(row)
        name = (*ends, row["suite"], row["benchmark"], measure)
        about = (row["model"], row["method"], row["seed"], start, row["stage"], row["benchmark"])
        line = found.setdefault(name, Line(*about, measure))  # type: ignore[arg-type]
        line.losses[alpha] = loss  # type: ignore[index]
    whole = [line for line in found.values() if line.whole]
    if not whole:
        raise DataError(
            "no line between two stages was scored at both ends and between them; "
            "`python -m harness -m experiment=line` does it"
        )
    return whole


def lines_table(found: Sequence[Line], digest: str) -> Table:
    """A row for every line and benchmark."""
    headings = (
        *_ABOUT,
        *(Heading(f"Loss at {alpha}", f"loss_{alpha}", numeric=True) for alpha in (0, 1)),
        Heading("Largest", "largest", numeric=True),
        Heading("Barrier", "barrier", numeric=True),
        Heading("At alpha", "barrier_alpha", numeric=True),
    )
    rows = tuple(tuple(_row(line)) for line in found)
    return Table("Loss between stages", headings, rows, _CAPTION, "line", digest)


def points_table(found: Sequence[Line], digest: str) -> Table:
    """A row for every point."""
    columns = (("Alpha", "alpha"), ("Loss", "loss"))
    headings = (*_ABOUT, *(Heading(title, name, numeric=True) for title, name in columns))
    rows = [
        (*_about(line), f"{alpha:g}", _number(line.losses[alpha]))
        for line in found
        for alpha in sorted(line.losses)
    ]
    title = "Loss between stages, point by point"
    return Table(title, headings, tuple(rows), _CURVE_CAPTION, "line_points", digest)


def _point(store: Store, key: str) -> tuple[object, ...] | None:
    """(alpha, start, keys of the models at both ends) of an edit of this kind; None for others."""
    with suppress(*DAMAGED):
        told = store.manifest("edit", key)
        settings, tuned = told["settings"], told["tuned"]
        if settings["_target_"].rpartition(".")[2].lower() != "between":
            return None
        alpha, start = float(settings.get("alpha", 0.5)), int(settings.get("start", 1))
        return alpha, start, tuned[start - 1]["key"], tuned[-1]["key"]
    return None


def _loss(row: TableRow) -> tuple[str, float]:
    """What it is called, and the loss of a score."""
    value = row["value"] or 0.0
    if is_score(row["unit"]):
        return f"error ({row['metric']})", 100 * (1 - value)
    if row["unit"] == "perplexity":
        return "log perplexity", math.log(value)
    return f"{row['metric']} ({row['unit']})", value if _falls(row) else -value


def _falls(row: TableRow) -> bool:
    return row["higher_is_better"] is False


def _row(line: Line) -> Iterator[Entry]:
    height, at = line.barrier()
    yield from _about(line)
    yield from (_number(line.losses[0.0]), _number(line.losses[1.0]))
    yield from (_number(max(line.losses.values())), _number(height), f"{at:g}" if height else DASH)


def _about(line: Line) -> tuple[Entry, ...]:
    seed = DASH if line.seed is None else line.seed
    return line.model, line.method, seed, line.start, line.end, line.benchmark, line.measure


def _number(value: float) -> str:
    return f"{value:.3f}"
