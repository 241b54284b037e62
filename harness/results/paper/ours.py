"""Our number for a published one, from the runs of the tidy table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TypedDict

import yaml

from harness.config.places import sequence_tasks
from harness.results.columns import TableRow
from harness.results.groups import group_runs
from harness.results.measures.continual import MEASURES, Estimate
from harness.results.paper.published import Number
from harness.results.runs import Run, load_runs
from harness.results.schema import Scores
from harness.store.scores import DONE, combined_error


class Names(TypedDict):
    """What the paper's names are called here (names.yaml)."""

    models: dict[str, list[str]]
    methods: dict[str, list[str]]
    benchmarks: dict[str, str]
    judged: dict[str, list[str]]
    neutral: list[str]


NAMES: Names = yaml.safe_load((Path(__file__).parent / "names.yaml").read_text())
PROTOCOL = "paper"
NOTHING = Estimate()
BASE = "base"
# The paper's name -> our measure and the sign between them: its "forgetting" is a loss, -BWT.
_MEASURES = {"OP": ("op", 1.0), "BWT": ("bwt", 1.0), "forgetting": ("bwt", -1.0)}
_EPOCHS = "train.epochs"
JUDGED = ("win", "tie", "lose")


@dataclass(frozen=True)
class Found:
    """A number and the ids of the runs that it comes from."""

    estimate: Estimate = NOTHING
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ours:
    """The runs and judged rates of one tidy table.

    Those that stand beside the paper's (`comparable`) are complete, under `protocol`, and without
    settings other than the number of epochs and neutral ones (names.yaml).
    """

    runs: tuple[Run, ...]
    judged: tuple[TableRow, ...]
    protocol: str = PROTOCOL

    @classmethod
    def of(cls, scores: Scores, protocol: str = PROTOCOL) -> "Ours":
        """Those of a tidy table."""
        judged = (
            row
            for row in scores.rows
            if row["metric"] in JUDGED and row["subtask"] is None and row["status"] == DONE
        )
        return cls(tuple(load_runs(scores)), tuple(judged), protocol)

    @cached_property
    def comparable(self) -> tuple[Run, ...]:
        """The runs that may stand beside the paper's."""
        return tuple(
            run
            for run in self.runs
            if run.protocol == self.protocol and _is_neutral(run) and not run.missing()
        )

    def value(self, number: Number) -> Estimate:
        """What we measured for a published number; an empty estimate where it was not run."""
        return self.find(number).estimate

    def find(self, number: Number) -> Found:
        """The mean over the seeds of one group of runs, which differ in nothing else: of those that
        have the number the one with the most seeds."""
        for runs in self._groups(number):
            each = {run.name: self._of_run(run, number) for run in runs}
            known = {name: item for name, item in each.items() if item.value is not None}
            if known:
                return Found(_mean(list(known.values())), tuple(known))
        return Found()

    def _groups(self, number: Number) -> list[tuple[Run, ...]]:
        methods = NAMES["methods"].get(number.method, [number.method])
        listed = [self._groups_of(method, number) for method in methods]
        if number.method == BASE:
            return [runs for groups in listed for runs in groups]
        return next(filter(None, listed), [])

    def _groups_of(self, method: str, number: Number) -> list[tuple[Run, ...]]:
        """The runs of a method that did what the paper did for the number, by group."""
        models = NAMES["models"].get(number.model, [number.model])
        chosen = [
            run
            for run in self.comparable
            if run.model in models
            and run.method == method
            and run.sequence == number.sequence
            and run.matrix.tasks == _tasks(number.sequence)
            and run.data == number.data
            and _epochs(run) == number.epochs
        ]
        found = [group.runs for group in group_runs(chosen)]
        return sorted(found, key=lambda runs: (-len(runs), runs[0].name))

    def _of_run(self, run: Run, number: Number) -> Estimate:
        if number.column in _MEASURES:
            name, sign = _MEASURES[number.column]
            found = MEASURES[name].of(run.matrix)
            value = None if found.value is None else sign * found.value
            return Estimate(value, found.item_error)
        if number.column == "delta":
            return run.suite_delta("general")
        if number.column in JUDGED:
            return self._judged(run, number)
        if number.column in NAMES["benchmarks"]:
            name = NAMES["benchmarks"][number.column]
            benchmarks = [b for b in run.benchmarks if b.name == name]
            return benchmarks[0].at(number.stage or 0) if benchmarks else NOTHING
        return _cell(run, number)

    def _judged(self, run: Run, number: Number) -> Estimate:
        """The rate over all pairs of the prompt sets that the paper judged; nothing where one of
        them was not judged."""
        names = NAMES["judged"].get(number.suite, [])
        rows = [
            row
            for row in self.judged
            if (row["run"], row["protocol"]) == (run.name, run.protocol)
            and (row["suite"], row["metric"]) == (number.suite, number.column)
            and row["benchmark"] in names
            and row["stage"] == run.last_stage
            and row["value"] is not None
            and row["n"]
        ]
        if {row["benchmark"] for row in rows} != set(names):
            return NOTHING
        total = sum(row["n"] for row in rows)
        shares = [row["n"] / total for row in rows]
        value = math.fsum(w * row["value"] for w, row in zip(shares, rows, strict=True))
        return Estimate(value, combined_error([row["stderr"] for row in rows], shares))


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    """The mean over seeds; its item error is theirs, since the test sets are the same."""
    values = [item.value for item in estimates if item.value is not None]
    errors = [item.item_error for item in estimates if item.item_error is not None]
    error = math.fsum(errors) / len(errors) if len(errors) == len(estimates) else None
    return Estimate(math.fsum(values) / len(values), error)


def _cell(run: Run, number: Number) -> Estimate:
    """A score of a task; the last one known of it for a table that prints final scores."""
    if number.column not in run.matrix.tasks:
        return NOTHING
    column = run.matrix.tasks.index(number.column)
    stage = number.stage
    if run.matrix.schedule == "single" and stage:
        stage = column + 1
    if stage is None or stage > run.matrix.size or not run.matrix.has((stage, column)):
        return NOTHING
    cell = stage, column
    return Estimate(run.matrix.value(cell), run.matrix.error(cell))


@cache
def _tasks(sequence: str) -> tuple[str, ...]:
    return sequence_tasks(sequence)


def _is_neutral(run: Run) -> bool:
    """Whether nothing was set that the paper's tables do not vary."""
    return all(
        name == _EPOCHS
        or name in NAMES["neutral"]
        or f"{name}={value}" in NAMES["neutral"]
        or name.startswith("judge.")
        for name, value in run.settings.items()
    )


def _epochs(run: Run) -> str:
    """The number of epochs that was set for a run, for every task the same."""
    return str(run.settings.get(_EPOCHS, ""))
