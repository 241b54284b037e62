"""From imported cells to nodes of the store and a run; no torch."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from harness.config.places import sequence_tasks
from harness.config.plain import plain
from harness.errors import ConfigError, DataError
from harness.evaluation.scores import Prediction
from harness.results.build import Rebuilt, rebuild_table, score_rows
from harness.results.columns import TableRow
from harness.results.records import RunRecord, read_record, record_path, write_record
from harness.results.schema import Scores
from harness.store.files import write_atomically, write_json
from harness.store.keys import digest
from harness.store.layout import PREDICTIONS, SCORES, TABLE
from harness.store.scores import SCORE_UNIT, TARGET, RunColumns, ScoreRow
from harness.store.store import Store
from harness.store.work import Cell


@dataclass
class Imported:
    """One cell: where it stands, its score rows, and its predictions where there are some.

    A row of a metric that is no score in 0..1 has a "unit". `shots` is null where not known.
    """

    stage: int
    suite: str
    benchmark: str
    headline: str
    filter: str
    source: Path
    rows: list[ScoreRow]
    predictions: list[Prediction] = field(default_factory=list)
    shots: int | None = None


@dataclass(frozen=True)
class RunName:
    """What the imported run is called in tables."""

    model: str
    method: str
    sequence: str
    data: str
    protocol: str
    seed: int
    schedule: str = "sequential"


def record(cells: Sequence[Imported], name: RunName, tasks: Sequence[str], store: Store) -> str:
    """Write every cell as a node and add them to the run of this name; returns the run's id.

    Imported again, a cell takes the place of the one before it. tasks: the run's, in the order of
    training; empty = those of the run so far, else of the sequence in its name. Raises DataError
    or ConfigError, before anything is written, where the cells do not fit the run or the table.
    """
    about = {"experiment": "imported", **plain(name)}
    run_id = digest(about)
    path = record_path(store, run_id)
    before = read_record(path) if path.is_file() else None
    columns = _columns(tasks, before, name)
    nodes = [_Node.of(cell, columns, name, store) for cell in cells]
    replaced = {_place(node.cell) for node in nodes}
    kept = [] if before is None else before.cells
    every = [cell for cell in kept if _place(cell) not in replaced]
    every += [node.cell for node in nodes]
    targets = {(cell.stage, cell.benchmark) for cell in every if cell.suite == TARGET}
    run: RunColumns = {
        **about,
        "run": run_id,
        "group": digest({**about, "seed": None}),
        "settings": {},
        "past": _past(targets, columns),
        "tasks": columns,
        "backend": "imported",
    }
    Scores.of(row for node in nodes for row in node.table_rows(run))
    for node in nodes:
        node.write(store)
    write_record(store, RunRecord(run, every, []))
    return run_id


def _columns(tasks: Sequence[str], before: RunRecord | None, name: RunName) -> list[str]:
    """The run's tasks in the order of training."""
    known = [] if before is None else before.run["tasks"]
    scored = before is not None and any(cell.suite == TARGET for cell in before.cells)
    if tasks and scored and list(tasks) != known:
        raise DataError(
            f"the imported run of this name has the tasks {', '.join(known)}, these files have "
            f"{', '.join(tasks)}; tell the runs apart by --method, --data or --seed"
        )
    columns = list(tasks) or known or list(sequence_tasks(name.sequence))
    if not columns:
        raise ConfigError(
            f"--sequence {name.sequence}: its tasks are not known; import the scores of its tasks "
            "first, or name a sequence of conf/sequence"
        )
    return columns


def finish(store: Store, results: Path) -> Rebuilt:
    """Rebuild the tidy table."""
    return rebuild_table(store, results / TABLE)


def score_row(metric: str, values: Sequence[float]) -> ScoreRow:
    """The row of one metric from the values of its items."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return {
        "subtask": None,
        "metric": metric,
        "filter": "none",
        "value": math.fsum(values) / len(values),
        "stderr": error,
        "n": len(values),
        "higher_is_better": True,
    }


class _About(TypedDict):
    """What the manifest of an imported node says of it."""

    label: str
    stage: int
    source: dict[str, str]
    model: dict[str, str]


@dataclass(frozen=True)
class _Node:
    """What is written for one cell."""

    cell: Cell
    about: _About
    source: Imported

    @classmethod
    def of(cls, found: Imported, columns: Sequence[str], name: RunName, store: Store) -> "_Node":
        """Raises ConfigError for a stage that the run does not have."""
        if not 0 <= found.stage <= len(columns):
            raise ConfigError(
                f"--stage {found.stage}: a run of {len(columns)} tasks has stages 0..{len(columns)}"
            )
        sha = store.hashes.file(found.source)
        place = [found.stage, found.suite, found.benchmark]
        units = {row["metric"]: row.get("unit", SCORE_UNIT) for row in found.rows}
        in_turn = found.stage > 0 and name.schedule != "joint"
        cell = Cell(
            stage=found.stage,
            trained_task=columns[found.stage - 1] if in_turn else None,
            suite=found.suite,
            benchmark=found.benchmark,
            key=digest({"kind": "import", "file": sha, "cell": place, "rows": found.rows}),
            headline=found.headline,
            filter=found.filter,
            unit=units[found.headline],
            shots=found.shots,
            split="test",
        )
        about = _About(
            label=f"import {found.benchmark}",
            stage=found.stage,
            source={"path": str(found.source), "sha256": sha},
            model={"kind": "imported", "key": f"imported-{sha[:12]}"},
        )
        return cls(cell, about, found)

    def table_rows(self, run: RunColumns) -> list[TableRow]:
        """The rows that the table will have."""
        return list(score_rows(run, self.cell, self.source.rows, self.about["model"]["key"]))

    def write(self, store: Store) -> None:
        """Write the node into the store."""
        with store.writing("eval", self.cell.key, self.about) as folder:
            write_json(folder / SCORES, self.source.rows)
            items = self.source.predictions
            lines = (json.dumps(item, ensure_ascii=False) + "\n" for item in items)
            write_atomically(folder / PREDICTIONS, "".join(lines))


def _place(cell: Cell) -> tuple[int, str, str]:
    return cell.stage, cell.suite, cell.benchmark


def _past(targets: set[tuple[int, str]], columns: Sequence[str]) -> str:
    """all for the whole triangle; ends where just the diagonal and the last row are there."""
    size = len(columns)
    triangle = {(t, columns[i]) for t in range(1, size + 1) for i in range(t)}
    ends = {(t, task) for t, task in triangle if t == size or columns[t - 1] == task}
    return "ends" if ends <= targets and not triangle <= targets else "all"
