"""From rows of the tidy table to runs: a score matrix and the suites' scores by stage."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.results.measures.continual import Estimate
from harness.results.measures.matrix import ScoreMatrix
from harness.results.schema import frame_rows
from harness.store.scores import DONE, JUDGE_POINTS, is_score

if TYPE_CHECKING:
    from pandas import DataFrame


SUITES = ("general", "instruction", "safety")

Row = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """One headline benchmark of a suite; `sign` is -1 where lower scores are better. `side` is null
    where the suite has one kind of score; `floor` is what a model without skill scores, null if the
    table does not tell."""

    suite: str
    name: str
    side: str | None
    metric: str
    sign: int
    floor: float | None
    stages: dict[int, Estimate]

    def at(self, stage: int) -> Estimate:
        """Return the score after `stage` tasks, an empty estimate if there is none."""
        return self.stages.get(stage, Estimate(None, None))


@dataclass(frozen=True)
class Run:
    """One run under one protocol; `judged` holds a judge's net wins, in -0.5..0.5."""

    name: str
    model: str
    sequence: str
    method: str
    data: str | None
    protocol: str | None
    split: str | None
    seed: int | None
    group: str | None
    variant: str | None
    matrix: ScoreMatrix
    benchmarks: tuple[Benchmark, ...]
    judged: tuple[Benchmark, ...]
    costs: dict[str, float]

    @property
    def last_stage(self) -> int | None:
        """The stage whose suites are compared with stage 0; None if no one model is final."""
        final = {"single": None, "none": 0}
        return final.get(self.matrix.schedule, self.matrix.size)

    def delta(self, benchmark: Benchmark) -> Estimate:
        """Return R[T,b] - R[0,b] in 0..1, signed so that more is better; null if undefined.

        Its error treats the two scores as independent, an upper bound for a positive correlation.
        """
        if self.last_stage is None:
            return Estimate(None, None)
        first, last = benchmark.at(0), benchmark.at(self.last_stage)
        if first.value is None or last.value is None:
            return Estimate(None, None)
        if self.last_stage == 0:
            return Estimate(0.0, None)
        known = first.item_error is not None and last.item_error is not None
        error = math.hypot(first.item_error, last.item_error) if known else None
        return Estimate(benchmark.sign * (last.value - first.value), error)

    def corrected_delta(self, benchmark: Benchmark) -> Estimate:
        """Return delta / (1 - floor), the change as a share of the way from chance to perfection.

        Null where delta or floor is, and for a side, which one answer to everything satisfies.
        """
        delta, floor = self.delta(benchmark), benchmark.floor
        if delta.value is None or floor is None or floor >= 1.0 or benchmark.side is not None:
            return Estimate(None, None)
        share = 1.0 / (1.0 - floor)
        error = delta.item_error
        return Estimate(share * delta.value, None if error is None else share * error)

    def suite_delta(
        self, suite: str, sides: Collection[str | None] | None = None, corrected: bool = False
    ) -> Estimate:
        """Return the mean of delta, or of corrected_delta, over the suite's benchmarks, of these
        sides only unless null; null if there is none."""
        deltas = [
            self.corrected_delta(item) if corrected else self.delta(item)
            for item in self.benchmarks
            if item.suite == suite and (sides is None or item.side in sides)
        ]
        return _mean_estimate(deltas)

    def net_win(self, suite: str) -> Estimate:
        """Return the mean over the suite's judged benchmarks of (win - lose) / 2 of the last stage
        against the initial model, in -0.5..0.5; null where one is missing or nothing was trained.
        """
        items = [item for item in self.judged if item.suite == suite and self.last_stage]
        return _mean_estimate([item.at(self.last_stage) for item in items])

    def missing(self) -> list[tuple[int, str]]:
        """Return (stage, task or benchmark) of every promised score that is not there.

        The schedule promises target cells. A suite promises stage 0 and the last stage for each of
        its benchmarks, once any of them is scored at stage 0.
        """
        lacking = self.matrix.missing()
        for suite in SUITES:
            items = [item for item in self.benchmarks if item.suite == suite]
            if self.last_stage is None or not any(item.at(0).value is not None for item in items):
                continue
            ends = sorted({0, self.last_stage})
            lacking += [(t, b.name) for b in items for t in ends if b.at(t).value is None]
        return lacking


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only, and those of them that are incomplete."""

    model: str
    sequence: str
    method: str
    protocol: str | None
    runs: tuple[Run, ...]
    incomplete: tuple[Run, ...]


def load_runs(frame: DataFrame) -> list[Run]:
    """Return every run of the tidy table that has target scores, in the table's order.

    Only headline scores of whole benchmarks in 0..1 count. Raises DataError if a run has two
    headline scores for one cell.
    """
    by_run: dict[str, list[Row]] = defaultdict(list)
    judged: dict[str, list[Row]] = defaultdict(list)
    spent: dict[str, list[Row]] = defaultdict(list)
    for row in frame_rows(frame):
        if row["suite"] == "cost":
            spent[row["run"]].append(row)
        elif row["headline"] and row["unit"] == JUDGE_POINTS:
            judged[row["run"]].append(_as_share(row))
        elif row["headline"] and row["subtask"] is None and is_score(row["unit"]):
            by_run[row["run"]].append(row)
    return [
        run
        for name, rows in by_run.items()
        for run in _protocol_runs(name, rows, judged[name], _costs(spent[name]))
    ]


def _as_share(row: Row) -> Row:
    """A row in points as one in shares, as scores are."""
    return row | {n: None if row[n] is None else row[n] / 100 for n in ("value", "stderr")}


def _costs(rows: Iterable[Row]) -> dict[str, float]:
    """What a whole run cost, by metric: sums over its stages; of what is held at a time, the most.

    stored_examples, extra_parameters and peak_memory are held; steps, tokens and hours add up.
    """
    found: dict[str, float] = {}
    for row in rows:
        name, value = row["metric"], float(row["value"])
        held = name in ("stored_examples", "extra_parameters", "peak_memory")
        found[name] = max(found.get(name, 0.0), value) if held else found.get(name, 0.0) + value
    return found


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Group runs that differ in their seed only, ordered by model, sequence, method and protocol.

    Where several groups share all of these, their methods are told apart by the variant, and by
    the run where the variant does not do it.
    """
    alike: dict[tuple[str, str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        alike[run.model, run.sequence, run.method, run.protocol or ""].append(run)
    groups = []
    for _, members in sorted(alike.items()):
        parts = _by_seed_only(members)
        groups += [_group(part, _label(part[0], parts)) for part in parts]
    return groups


def _by_seed_only(runs: Sequence[Run]) -> list[list[Run]]:
    """Split runs of one method into lists in which every seed occurs once.

    Runs with one group id did the same work, so a second run of a seed adds nothing. Without group
    ids, a repeated seed means that the runs differ in something else: each then stands alone.
    """
    parts: dict[tuple[Any, ...], dict[Any, Run]] = defaultdict(dict)
    for run in runs:
        same = run.group, run.matrix.tasks, run.matrix.schedule
        parts[same].setdefault(run.seed if run.group else run.name, run)
    found: list[list[Run]] = []
    for part in parts.values():
        members = list(part.values())
        if len({run.seed for run in members}) < len(members):
            found += [[run] for run in members]
        else:
            found.append(members)
    return found


def _label(run: Run, parts: Sequence[Sequence[Run]]) -> str:
    if len(parts) == 1:
        return run.method
    variants = [part[0].variant for part in parts]
    if variants.count(run.variant) > 1:
        return f"{run.method} [{run.name}]"
    return f"{run.method} ({run.variant})" if run.variant else run.method


def _group(members: Sequence[Run], method: str) -> Group:
    first = members[0]
    incomplete = tuple(run for run in members if run.missing())
    complete = tuple(run for run in members if not run.missing())
    return Group(first.model, first.sequence, method, first.protocol, complete, incomplete)


def _protocol_runs(
    name: str, rows: list[Row], judged: list[Row], costs: dict[str, float]
) -> list[Run]:
    targets = _preferred([row for row in rows if row["suite"] == "target"], "split", "test")
    protocols = list(dict.fromkeys(row["protocol"] for row in targets))
    return [
        _run(name, [r for r in targets if r["protocol"] == protocol], rows, judged, protocol, costs)
        for protocol in protocols
    ]


def _run(
    name: str,
    targets: list[Row],
    rows: list[Row],
    judged: list[Row],
    protocol: str | None,
    costs: dict[str, float],
) -> Run:
    first = targets[0]
    tasks = first["tasks"].split("|")
    for row in targets:
        if row["benchmark"] not in tasks or row["stage"] > len(tasks):
            raise DataError(
                f"run {name}: target score of {row['benchmark']!r} at stage {row['stage']}, but "
                f"its sequence is {first['tasks']}"
            )
    cells = _unique(name, targets)
    matrix = ScoreMatrix.from_cells(
        tasks,
        {(row["stage"], row["benchmark"]): row["value"] for row in cells if _done(row)},
        {(row["stage"], row["benchmark"]): row["stderr"] for row in cells},
        schedule=first["schedule"],
        past=first["past"] or "all",
    )
    return Run(
        name=name,
        model=first["model"],
        sequence=first["sequence"],
        method=first["method"],
        data=first["data"],
        protocol=protocol,
        split=first["split"],
        seed=first["seed"],
        group=first["group"],
        variant=first["variant"],
        matrix=matrix,
        benchmarks=tuple(_benchmarks(name, rows, protocol)),
        judged=tuple(_benchmarks(name, judged, protocol)),
        costs=costs,
    )


def _benchmarks(name: str, rows: list[Row], protocol: str | None) -> Iterable[Benchmark]:
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["suite"] in SUITES:
            found[row["suite"], row["benchmark"]].append(row)
    for suite, benchmark in sorted(found, key=lambda key: (SUITES.index(key[0]), key[1])):
        chosen = _preferred(found[suite, benchmark], "protocol", protocol)
        yield Benchmark(
            suite=suite,
            name=benchmark,
            side=chosen[0]["side"],
            metric=chosen[0]["metric"],
            sign=-1 if chosen[0]["higher_is_better"] is False else 1,
            floor=next((row["floor"] for row in chosen if row.get("floor") is not None), None),
            stages={row["stage"]: _estimate(row) for row in _unique(name, chosen)},
        )


def _mean_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """The mean, its error for independent parts; null if there is none or one is null."""
    values = [estimate.value for estimate in estimates]
    if not values or None in values:
        return Estimate(None, None)
    errors = [estimate.item_error for estimate in estimates]
    error = None if None in errors else math.hypot(*errors) / len(errors)
    return Estimate(math.fsum(values) / len(values), error)


def _estimate(row: Row) -> Estimate:
    return Estimate(row["value"], row["stderr"]) if _done(row) else Estimate(None, None)


def _done(row: Row) -> bool:
    return row["status"] == DONE and row["value"] is not None


def _preferred(rows: list[Row], column: str, wanted: str | None) -> list[Row]:
    """Keep the rows with the wanted entry, or all if there is none."""
    return [row for row in rows if row[column] == wanted] or rows


def _unique(name: str, rows: list[Row]) -> list[Row]:
    seen: set[tuple[int, str]] = set()
    for row in rows:
        cell = row["stage"], row["benchmark"]
        if cell in seen:
            raise DataError(
                f"run {name}: two headline scores of {row['benchmark']!r} at stage {row['stage']}; "
                f"mark one metric, filter and split as headline"
            )
        seen.add(cell)
    return rows
