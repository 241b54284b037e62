"""Our number for a published one, from the runs of the tidy table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness.metrics.continual import MEASURES, Estimate
from harness.report.paper.published import Number
from harness.report.runs import Run, load_runs
from harness.report.schema import frame_rows

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "names.yaml").read_text())
NOTHING = Estimate(None, None)
_MEASURES = {"OP": "op", "BWT": "bwt", "forgetting": "forgetting"}
JUDGED = ("win", "tie", "lose")


@dataclass(frozen=True)
class Ours:
    """The runs and judged rates of one tidy table. Several seeds of a run count as their mean."""

    runs: tuple[Run, ...]
    judged: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, frame: DataFrame) -> Ours:
        """Read a frame of the tidy table."""
        rows = frame_rows(frame)
        judged = tuple(r for r in rows if r["metric"] in JUDGED and r["subtask"] is None)
        return cls(tuple(load_runs(frame)), judged)

    def value(self, number: Number) -> Estimate:
        """What we measured for a published number; an empty estimate where it was not run."""
        found = [self._of_run(run, number) for run in self._runs(number)]
        values = [item.value for item in found if item.value is not None]
        if not values:
            return NOTHING
        errors = [item.item_error for item in found if item.item_error is not None]
        error = math.fsum(errors) / len(errors) if errors else None
        return Estimate(math.fsum(values) / len(values), error)

    def _runs(self, number: Number) -> Sequence[Run]:
        models = NAMES["models"].get(number.model, [number.model])
        for method in NAMES["methods"].get(number.method, [number.method]):
            chosen = [
                run
                for run in self.runs
                if run.model in models
                and run.method == method
                and run.sequence == number.sequence
                and run.data in (None, number.data)
                and _epochs(run) == number.epochs
            ]
            if chosen:
                return chosen
        return []

    def _of_run(self, run: Run, number: Number) -> Estimate:
        if number.column in _MEASURES:
            if run.matrix.missing():
                return NOTHING
            return MEASURES[_MEASURES[number.column]].of(run.matrix)
        if number.column == "delta":
            return run.suite_delta("general")
        if number.column in JUDGED:
            return self._judged(run, number)
        if number.column in NAMES["benchmarks"]:
            name = NAMES["benchmarks"][number.column]
            found = [b for b in run.benchmarks if b.name == name]
            return found[0].at(number.stage or 0) if found else NOTHING
        return _cell(run, number)

    def _judged(self, run: Run, number: Number) -> Estimate:
        values = [
            row["value"]
            for row in self.judged
            if row["run"] == run.name
            and row["suite"] == number.suite
            and row["stage"] == run.last_stage
            and row["metric"] == number.column
        ]
        return Estimate(math.fsum(values) / len(values), None) if values else NOTHING


def _cell(run: Run, number: Number) -> Estimate:
    """A score of a task; the last one known of it for a table that prints final scores."""
    if number.column not in run.matrix.tasks:
        return NOTHING
    column = run.matrix.tasks.index(number.column)
    stage = number.stage
    if run.matrix.schedule == "single" and stage:
        stage = column + 1
    if stage is None or not run.matrix.has((stage, column)):
        return NOTHING
    cell = stage, column
    return Estimate(run.matrix.value(cell), run.matrix.error(cell))


def _epochs(run: Run) -> str:
    """The number of epochs that a run was told on the command line, for every task the same."""
    words = (run.variant or "").split()
    told = [word.partition("=")[2] for word in words if word.startswith("train.epochs=")]
    return told[0] if told else ""
