"""The predictions of one node, item by item."""

import json
import math
from array import array
from dataclasses import dataclass

from harness.scorers.tasks import LENIENT
from harness.store.inside import file_inside
from harness.store.layout import PREDICTIONS
from harness.store.scores import is_score
from harness.store.store import Store
from harness.store.work import Cell

RIGHT = 0.5  # from this score on an item counts as right
_MISSING = math.nan


@dataclass(frozen=True)
class Sheet:
    """The items of a node: (subtask, item) of each, scores in 0..1 and texts; asked: what was
    asked, as far as the predictions have it."""

    ids: tuple[tuple[str, str], ...]
    targets: tuple[str, ...]
    answers: tuple[str, ...]
    strict: array  # of float
    lenient: array | None
    asked: tuple[str, ...] = ()


def read_sheet(store: Store, cell: Cell) -> Sheet:
    """The predictions of a node under the cell's filter. Raises one of DAMAGED where they are not
    there or not what was written."""
    ids, targets, answers, asked = [], [], [], []
    strict, lenient = array("f"), array("f")
    place = file_inside(store.root, store.path(cell.kind, cell.key), PREDICTIONS)
    with place.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row.get("filter", cell.filter) != cell.filter:
                continue
            ids.append((str(row.get("subtask") or ""), str(row.get("item", len(ids)))))
            targets.append(_text(row.get("target", "")))
            answers.append(_text(row["prediction"]))
            asked.append(_text(row.get("asked", "")))
            values = row.get("values", {})
            strict.append(_score(values.get(cell.headline), cell.unit))
            lenient.append(_score(values.get(f"{cell.headline}{LENIENT}"), cell.unit))
    if not ids:
        raise ValueError(f"no predictions under the filter {cell.filter}")
    any_lenient = any(value == value for value in lenient)  # nan is not itself
    return Sheet(
        *map(tuple, (ids, targets, answers)),
        strict,
        lenient if any_lenient else None,
        tuple(asked),
    )


def _score(value: object, unit: str) -> float:
    if isinstance(value, int | float) and is_score(unit) and math.isfinite(value):
        return float(value)
    return _MISSING


def _text(value: object) -> str:
    """An answer or a reference as text: what is no text, or several, as JSON."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
