"""From imported cells to nodes of the store and a run; no torch."""

import json
import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.files import write_atomically, write_json
from harness.keys import digest, plain
from harness.nodes import Cell
from harness.store import Store
from harness.table import SCORES, rebuild_table

PREDICTIONS = "predictions.jsonl"


@dataclass
class Imported:
    """One cell: where it stands, its score rows, and its predictions where there are some."""

    stage: int
    suite: str
    benchmark: str
    headline: str
    filter: str
    source: Path
    rows: list[dict[str, Any]]
    predictions: list[dict[str, Any]] = field(default_factory=list)


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

    Imported again, a cell takes the place of the one before it.
    """
    about = {"experiment": "imported", **plain(name)}
    run_id = digest(about)
    path = store.root / "runs" / f"{run_id}.json"
    known = json.loads(path.read_text())["cells"] if path.is_file() else []
    made = [plain(_node(cell, tasks, name, store)) for cell in cells]
    replaced = {_place(cell) for cell in made}
    kept = [cell for cell in known if _place(cell) not in replaced]
    every = [*kept, *made]
    columns = list(tasks) or (json.loads(path.read_text())["run"]["tasks"] if known else [])
    targets = {(c["stage"], c["benchmark"]) for c in every if c["suite"] == "target"}
    run = {
        **about,
        "run": run_id,
        "group": digest({**about, "seed": None}),
        "variant": "",
        "past": _past(targets, columns),
        "tasks": columns,
        "backend": "imported",
        "model_key": "imported",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"run": run, "cells": every, "training": []})
    return run_id


def finish(store: Store, results: Path) -> Path:
    """Rebuild the tidy table."""
    return rebuild_table(store, results / "scores.csv")


def score_row(metric: str, values: Sequence[float]) -> dict[str, Any]:
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


def _node(cell: Imported, tasks: Sequence[str], name: RunName, store: Store) -> Cell:
    sha = store.hashes.file(cell.source)
    place = [cell.stage, cell.suite, cell.benchmark]
    key = digest({"kind": "import", "file": sha, "cell": place, "rows": cell.rows})
    about = {
        "label": f"import {cell.benchmark}",
        "stage": cell.stage,
        "source": {"path": str(cell.source), "sha256": sha},
        "model": {"kind": "imported", "key": f"imported-{sha[:12]}"},
    }
    with store.writing("eval", key, about, os.getpid()) as folder:
        write_json(folder / SCORES, cell.rows)
        lines = (json.dumps(item, ensure_ascii=False) + "\n" for item in cell.predictions)
        write_atomically(folder / PREDICTIONS, "".join(lines))
    trained = tasks[cell.stage - 1] if 0 < cell.stage <= len(tasks) else None
    if name.schedule == "joint":
        trained = None
    return Cell(
        stage=cell.stage,
        trained_task=trained,
        suite=cell.suite,
        benchmark=cell.benchmark,
        key=key,
        headline=cell.headline,
        filter=cell.filter,
        unit="score",
        shots=0,
        split="test",
    )


def _place(cell: dict[str, Any]) -> tuple[int, str, str]:
    return cell["stage"], cell["suite"], cell["benchmark"]


def _past(targets: set[tuple[int, str]], columns: Sequence[str]) -> str:
    """all for the whole triangle; ends where just the diagonal and the last row are there."""
    size = len(columns)
    triangle = {(t, columns[i]) for t in range(1, size + 1) for i in range(t)}
    ends = {(t, task) for t, task in triangle if t == size or columns[t - 1] == task}
    return "ends" if ends <= targets and not triangle <= targets else "all"
