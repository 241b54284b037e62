"""The published numbers: results/published/trace.csv as rows that can be asked for."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError
from harness.results.measures.matrix import ScoreMatrix

PACKAGE = Path(__file__).resolve().parents[2]
FIELDS = ("table", "model", "method", "sequence", "data", "epochs", "stage", "suite", "column")


@dataclass(frozen=True)
class Number:
    """One printed number. `value` is in 0..1 (differences -1..1), however the paper prints it;
    `stage` is null where the number belongs to a whole run."""

    table: str
    model: str
    method: str
    sequence: str
    data: str
    epochs: str
    stage: int | None
    suite: str
    column: str
    value: float
    mark: str
    source: str


@dataclass(frozen=True)
class Published:
    """All rows, in the file's order."""

    rows: tuple[Number, ...]

    def where(self, **wanted: object) -> list[Number]:
        """The rows whose fields have these values."""
        return [
            row
            for row in self.rows
            if all(getattr(row, name) == value for name, value in wanted.items())
        ]


def published_folder() -> Path:
    """The folder of published numbers: inside the installed package, or in a clone."""
    installed = PACKAGE / "published"
    return installed if installed.is_dir() else PACKAGE.parent / "results" / "published"


def read_published(path: Path | None = None) -> Published:
    """Read the file. Raises DataError naming it and the line."""
    path = path or published_folder() / "trace.csv"
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = [_number(path, line, row) for line, row in enumerate(reader, start=2)]
    except OSError as error:
        raise DataError(f"{path}: the published numbers cannot be read ({error})") from error
    if not rows:
        raise DataError(f"{path}: it holds no published number")
    return Published(tuple(rows))


def matrix(rows: Iterable[Number]) -> ScoreMatrix:
    """The score matrix that a table prints; its tasks in the order of training."""
    cells = {(row.stage or 0, row.column): row.value for row in rows}
    first = {task: min(s for s, other in cells if other == task) for _, task in cells}
    return ScoreMatrix.from_cells(sorted(first, key=lambda task: first[task]), cells)


def _number(path: Path, line: int, row: dict[str, str]) -> Number:
    try:
        scale = {"percent": 100.0, "score": 1.0}[row["unit"]]
        texts = {name: row[name] for name in FIELDS if name != "stage"}
        stage = int(row["stage"]) if row["stage"] else None
        value = float(row["value"]) / scale
        return Number(**texts, stage=stage, value=value, mark=row["mark"], source=row["source"])
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}, line {line}: not a published number ({error})") from error
