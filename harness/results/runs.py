"""From rows of the tidy table to runs: a score matrix and the suites' scores by stage."""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from harness.errors import DataError
from harness.results.columns import TableRow, is_done, is_target, is_whole_score
from harness.results.measures.continual import Estimate
from harness.results.measures.item_errors import ItemScores, paired_error, score_error
from harness.results.measures.matrix import ScoreMatrix
from harness.results.schema import Scores
from harness.store.scores import (
    COST,
    COSTS,
    JUDGE_POINTS,
    TARGET,
    Settings,
    combined_error,
    is_score,
)

SUITES = ("general", "instruction", "safety")  # those that every table has, and has first


def _no_items(stage: int) -> None:
    """Of benchmarks whose items nobody looks for."""


@dataclass(frozen=True)
class Benchmark:
    """One headline benchmark of a suite; `sign` is -1 where lower scores are better. `side` is null
    where the suite has one kind of score; `floor` is what a model without skill scores, null if the
    table does not tell. `items` are their scores at a stage, null where they are not known."""

    suite: str
    name: str
    side: str | None
    metric: str
    sign: int
    floor: float | None
    stages: dict[int, Estimate]
    items: Callable[[int], ItemScores | None] = field(default=_no_items, compare=False, repr=False)

    def at(self, stage: int) -> Estimate:
        """Return the score after `stage` tasks, an empty estimate if there is none."""
        return self.stages.get(stage, Estimate())


@dataclass(frozen=True)
class Run:
    """One run under one protocol; `judged` holds a judge's net wins, in -0.5..0.5. versions: pairs
    (library, version) of all that its nodes were made with. ended: the first stage that lacks a
    score for what diverged or failed, and which of these."""

    name: str
    model: str
    sequence: str
    method: str
    data: str | None
    protocol: str | None
    split: str | None
    seed: int | None
    group: str | None
    settings: Settings
    matrix: ScoreMatrix
    benchmarks: tuple[Benchmark, ...]
    judged: tuple[Benchmark, ...]
    costs: dict[str, float]
    ended: tuple[int, str] | None = None
    versions: frozenset[tuple[str, str]] = frozenset()

    @property
    def last_stage(self) -> int | None:
        """The stage whose suites are compared with stage 0; None if no one model is final."""
        final = {"single": None, "none": 0}
        return final.get(self.matrix.schedule, self.matrix.size)

    def delta(self, benchmark: Benchmark) -> Estimate:
        """Return R[T,b] - R[0,b] in 0..1, signed so that more is better; null if undefined.

        Its error is paired by item. Where the items are not known it treats the two scores as
        independent, an upper bound for a positive correlation.
        """
        if self.last_stage is None:
            return Estimate()
        first, last = benchmark.at(0), benchmark.at(self.last_stage)
        if first.value is None or last.value is None:
            return Estimate()
        if self.last_stage == 0:
            return Estimate(0.0, None)
        error = paired_error({self.last_stage: 1.0, 0: -1.0}, benchmark.items)
        if error is None:
            error = combined_error([first.item_error, last.item_error])
        return Estimate(benchmark.sign * (last.value - first.value), error)

    def corrected_delta(self, benchmark: Benchmark) -> Estimate:
        """Return delta / (1 - floor), the change as a share of the way from chance to perfection.

        Null where delta or floor is, and for a side, which one answer to everything satisfies.
        """
        delta, floor = self.delta(benchmark), benchmark.floor
        if delta.value is None or floor is None or floor >= 1.0 or benchmark.side is not None:
            return Estimate()
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
        for suite in dict.fromkeys(item.suite for item in self.benchmarks):
            items = [item for item in self.benchmarks if item.suite == suite]
            if self.last_stage is None or not any(item.at(0).value is not None for item in items):
                continue
            ends = sorted({0, self.last_stage})
            lacking += [(t, b.name) for b in items for t in ends if b.at(t).value is None]
        return lacking


def suites_in_order(suites: Iterable[str]) -> list[str]:
    """Each suite once: the known ones, then the others in the order in which they come."""
    found = dict.fromkeys(suites)
    return [suite for suite in dict.fromkeys([*SUITES, *found]) if suite in found]


def load_runs(scores: Scores) -> list[Run]:
    """Return every run of the tidy table that has target scores, in the table's order.

    Only headline scores of whole benchmarks in 0..1 count. Raises DataError if a run has two
    headline scores for one cell.
    """
    by_run: dict[str, list[TableRow]] = defaultdict(list)
    versions: dict[str, set[tuple[str, str]]] = defaultdict(set)
    judged: dict[str, list[TableRow]] = defaultdict(list)
    spent: dict[str, list[TableRow]] = defaultdict(list)
    for row in scores.rows:
        versions[row["run"]] |= {
            (name, str(told)) for name, told in (row["versions"] or {}).items()
        }
        if row["suite"] == COST:
            spent[row["run"]].append(row)
        elif row["headline"] and row["unit"] == JUDGE_POINTS:
            judged[row["run"]].append(_as_share(row))
        elif row["headline"] and is_whole_score(row):
            by_run[row["run"]].append(row)
    return [
        replace(run, versions=frozenset(versions[name]))
        for name, rows in by_run.items()
        for run in _protocol_runs(name, rows, judged[name], _costs(spent[name]))
    ]


def _as_share(row: TableRow) -> TableRow:
    """A row in points as one in shares, as scores are."""
    value, stderr = (None if x is None else x / 100 for x in (row["value"], row["stderr"]))
    return {**row, "value": value, "stderr": stderr}


_OF_RUN = {cost.name: cost.of_run for cost in COSTS}


def _costs(rows: Iterable[TableRow]) -> dict[str, float]:
    """What a whole run cost, by metric, from what its stages did."""
    stages: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row["value"] is not None:
            stages[row["metric"]].append(row["value"])
    return {name: float(_OF_RUN.get(name, sum)(values)) for name, values in stages.items()}


def _protocol_runs(
    name: str, rows: list[TableRow], judged: list[TableRow], costs: dict[str, float]
) -> list[Run]:
    targets = _preferred([row for row in rows if is_target(row)], "split", "test")
    protocols = list(dict.fromkeys(row["protocol"] for row in targets))
    return [
        _run(name, [r for r in targets if r["protocol"] == protocol], rows, judged, protocol, costs)
        for protocol in protocols
    ]


def _run(
    name: str,
    targets: list[TableRow],
    rows: list[TableRow],
    judged: list[TableRow],
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
        {(row["stage"], row["benchmark"]): row["value"] for row in cells if is_done(row)},
        {(row["stage"], row["benchmark"]): error_of(row) for row in cells},
        schedule=first["schedule"],
        past=first["past"] or "all",
    )
    return Run(
        name=name,
        model=first["model"],
        sequence=first["sequence"],
        method=" ".join(first["method"].splitlines()),  # whose lines would be taken for ours
        data=first["data"],
        protocol=protocol,
        split=first["split"],
        seed=first["seed"],
        group=first["group"],
        settings=first["settings"] or {},
        matrix=matrix,
        benchmarks=tuple(_benchmarks(name, rows, protocol)),
        judged=tuple(_benchmarks(name, judged, protocol)),
        costs=costs,
        ended=min(
            ((row["stage"], row["status"]) for row in rows if not is_done(row)), default=None
        ),
    )


def _benchmarks(name: str, rows: list[TableRow], protocol: str | None) -> Iterable[Benchmark]:
    found: dict[tuple[str, str], list[TableRow]] = defaultdict(list)
    for row in rows:
        if row["suite"] != TARGET:
            found[row["suite"], row["benchmark"]].append(row)
    order = suites_in_order(suite for suite, _ in found)
    for suite, benchmark in sorted(found, key=lambda key: (order.index(key[0]), key[1])):
        chosen = _preferred(found[suite, benchmark], "protocol", protocol)
        yield Benchmark(
            suite=suite,
            name=benchmark,
            side=chosen[0]["side"],
            metric=chosen[0]["metric"],
            sign=-1 if any(row["higher_is_better"] is False for row in chosen) else 1,
            floor=next((row["floor"] for row in chosen if row["floor"] is not None), None),
            stages={row["stage"]: _estimate(row) for row in _unique(name, chosen)},
        )


def _mean_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """The mean, its error for independent parts; null if there is none or one is null."""
    values = [estimate.value for estimate in estimates]
    if not values or None in values:
        return Estimate()
    error = combined_error(estimate.item_error for estimate in estimates)
    mean = math.fsum(value for value in values if value is not None) / len(values)
    return Estimate(mean, None if error is None else error / len(values))


def _estimate(row: TableRow) -> Estimate:
    return Estimate(row["value"], error_of(row)) if is_done(row) else Estimate()


def error_of(row: TableRow) -> float | None:
    """The item error of a score; of 8 right items of 8 as well, whose own variance is 0."""
    return score_error(row["stderr"], row["n"]) if is_score(row["unit"]) else row["stderr"]


def _preferred(rows: list[TableRow], column: str, wanted: str | None) -> list[TableRow]:
    """Keep the rows with the wanted entry, or all if there is none."""
    return [row for row in rows if row[column] == wanted] or rows


def _unique(name: str, rows: list[TableRow]) -> list[TableRow]:
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
