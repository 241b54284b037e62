"""The tables of a report: main table, score matrix of a run-group, and suites by benchmark."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from harness.results.groups import Group
from harness.results.measures.continual import MEASURES, Estimate
from harness.results.measures.leagues import LEAGUE_BWT, LEAGUE_TITLES, league_bwt
from harness.results.report.printing import DASH, Entry, Heading, Points, Table
from harness.results.runs import SUITES, Benchmark, Run, suites_in_order
from harness.results.suite_changes import SIDES, suite_changes
from harness.results.versions import mixed_versions
from harness.store.scores import COSTS

_MAIN = {"op": "OP", "learning_accuracy": "LA", "bwt": "BWT", "forgetting": "Forgetting"}
_BETTER = {"forgetting": -1}  # all others are better when they are more
BUDGET = {cost.name: cost for cost in COSTS if cost.title}
BUDGET_CAPTION = (
    "Budget: optimizer steps, tokens in them and device hours of all stages (what a method reads "
    "besides counts in the hours alone); rows of earlier tasks kept, values stored beside the "
    "model and the peak memory of a rank at their largest."
)
_SPREAD = (
    "Scores are times 100. ± is the standard deviation over seeds where there are several (a note "
    "gives their item error), else the item error (finite test sets; paired by item where the "
    "predictions are there, else propagated from per-score standard errors). "
    f"{DASH} is undefined."
)
_DELTA = (
    "Δ suite = mean over its headline benchmarks b of R[T,b] - R[0,b], in points, positive = better"
)
_SIDED = "; Δ refusal: of harmful requests refused, Δ compliance: of benign ones complied with"
_JUDGED = "; net win = (win - lose) / 2 of a judge's pairs of stage T and stage 0, -50 to 50"


@dataclass(frozen=True)
class _Column:
    """A column of the main table that a suite gives."""

    heading: Heading
    of: Callable[[Run], Estimate]

    def points(self, group: Group) -> Points:
        """The group's entry."""
        return estimate_over_seeds([self.of(run) for run in group.runs])


def _suite_columns(groups: Sequence[Group]) -> Iterator[_Column]:
    """The changes of suites, then a judge's net win per suite that has one."""
    runs = [run for group in groups for run in group.runs]
    for change in suite_changes(runs, SUITES):
        yield _column(change.title, change.name, change.of)
    for suite in suites_in_order(item.suite for run in runs for item in run.judged):
        yield _column(f"Net win {suite}", f"net_win_{suite}", partial(Run.net_win, suite=suite))


def _league_columns(groups: Sequence[Group]) -> Iterator[_Column]:
    """One for every BWT that the protocols of these runs have in place of the usual one."""
    for name in dict.fromkeys(LEAGUE_BWT.get(group.protocol or "") for group in groups):
        if name is not None:
            yield _column(LEAGUE_TITLES[name], name, partial(_of_league, name))


def _of_league(name: str, run: Run) -> Estimate:
    return league_bwt(name, run.protocol, run.matrix)


def _column(title: str, name: str, of: Callable[[Run], Estimate]) -> _Column:
    return _Column(Heading(title, name, True, True, 1), of)


def main_table(groups: Sequence[Group], digest: str) -> Table:
    """Return one row per run-group: OP, LA, BWT, forgetting and suite deltas, with spreads."""
    leagues = list(_league_columns(groups))
    columns = [*leagues, *_suite_columns(groups)]
    headings = (
        *_group_headings(),
        *(Heading(title, name, True, True, _BETTER.get(name, 1)) for name, title in _MAIN.items()),
        *(column.heading for column in columns),
        Heading("Seeds", "seeds", numeric=True),
        *(Heading(cost.title, name, numeric=True) for name, cost in BUDGET.items()),
    )
    rows = [_main_row(group, columns) for group in groups if group.runs]
    shown = _MAIN | {column.heading.name: column.heading.title for column in leagues}
    formulas = "; ".join(f"{title} = {MEASURES[name].formula}" for name, title in shown.items())
    titles = {column.heading.title for column in columns}
    sided = _SIDED if titles & set(SIDES.values()) else ""
    judged = _JUDGED if any(title.startswith("Net win") for title in titles) else ""
    caption = (
        f"{formulas}; {_DELTA}{sided}{judged}. R[t,i] is the score on task i after t of T tasks. "
        "For joint training OP is row T, for separate models the diagonal, without training row 0. "
        f"{_SPREAD} {BUDGET_CAPTION}"
    )
    table = Table(
        "Main results", headings, tuple(rows), caption, "main", digest, _main_notes(groups)
    )
    return _without_empty_protocol(table)


def parted(table: Table) -> tuple[Table, Table]:
    """The main table as two: how well methods do, and what they cost."""
    costs = [at for at, heading in enumerate(table.headings) if heading.name in BUDGET]
    labels = [at for at, heading in enumerate(table.headings) if not heading.numeric]
    quality = table.columns([at for at in range(len(table.headings)) if at not in costs])
    caption = table.caption.removesuffix(f" {BUDGET_CAPTION}")
    budget = table.columns([*labels, *costs])
    return (
        replace(quality, caption=caption),
        replace(budget, title="Budget", caption=BUDGET_CAPTION, label="budget", notes=()),
    )


def _main_notes(groups: Sequence[Group]) -> tuple[str, ...]:
    """What is not complete, and the item errors that the spread over seeds stands in for."""
    errors = (_item_errors(group) for group in groups if len(group.runs) > 1)
    return (*_incomplete_notes(groups), *errors, *_version_notes(groups))


def _version_notes(groups: Sequence[Group]) -> tuple[str, ...]:
    return mixed_versions(run for group in groups for run in group.runs)


def _item_errors(group: Group) -> str:
    told = []
    for name, title in _MAIN.items():
        errors = [MEASURES[name].of(run.matrix).item_error for run in group.runs]
        known = [error for error in errors if error is not None]
        if len(known) == len(errors):
            told.append(f"{title} {100 * statistics.fmean(known):.1f}")
    listed = ", ".join(told) or "unknown"
    return f"{group.method}, {len(group.runs)} seeds: item error of each {listed}"


def matrix_table(group: Group, digest: str, label: str) -> Table:
    """Return stages x (tasks, then benchmarks), mean over the group's complete runs."""
    runs = group.runs
    names = _benchmark_names(runs)
    tasks = runs[0].matrix.tasks
    headings = (
        Heading("Stage", "stage", numeric=True),
        Heading("Trained", "trained"),
        *(Heading(task, task, numeric=True) for task in tasks),
        *(Heading(name, f"{suite}:{name}", numeric=True) for suite, name in names),
    )
    stages = [t for t in range(len(tasks) + 1) if _stage_has_scores(runs, t)]
    rows = tuple(
        (
            stage,
            _trained(runs[0], stage),
            *(_mean_points([_target(run, stage, i) for run in runs]) for i in range(len(tasks))),
            *(_mean_points([_at(run, key, stage).value for run in runs]) for key in names),
        )
        for stage in stages
    )
    seeds = f"mean over {len(runs)} seeds" if len(runs) > 1 else "one run"
    caption = (
        f"R[t,i], the score after t tasks (rows; 0 = initial model) on task or benchmark i "
        f"(columns), times 100; {seeds}. Model {group.model}, sequence {group.sequence}."
    )
    title = f"Scores by stage: {group.method}"
    return Table(title, headings, rows, caption, label, digest, _version_notes([group]))


def suites_table(groups: Sequence[Group], digest: str) -> Table:
    """Return one row per run-group and benchmark: stage 0, last stage, delta, floor, corrected
    delta; and one with the means of a suite of several."""
    headings = (
        *_group_headings(),
        Heading("Suite", "suite"),
        Heading("Benchmark", "benchmark"),
        Heading("Metric", "metric"),
        Heading("Stage 0", "stage_0", True, True),
        Heading("Stage T", "stage_T", True, True),
        Heading("Δ", "delta", True, True),
        Heading("Floor", "floor", numeric=True),
        Heading("Δ corrected", "delta_corrected", True, True),
        Heading("Seeds", "seeds", numeric=True),
    )
    rows = tuple(row for group in groups if group.runs for row in _suite_rows(group))
    caption = (
        f"Suites before training (stage 0) and after it (stage T); Δ = R[T,b] - R[0,b] in points, "
        "positive = better. Floor: what a model without skill scores, by guessing among choices or "
        "by one answer to every item (majority class, empty text); Δ corrected for it = "
        f"Δ / (1 - floor). {_SPREAD}"
    )
    notes = (*_incomplete_notes(groups), *_version_notes(groups))
    table = Table("Suites by benchmark", headings, rows, caption, "suites", digest, notes)
    return _without_empty_protocol(table)


def estimate_over_seeds(estimates: Sequence[Estimate]) -> Points:
    """Return mean and spread in points: sd over several seeds, item error of one.

    Null if there is no estimate, or if one of them is null.
    """
    values = [estimate.value for estimate in estimates]
    if not values or None in values:
        return Points(None)
    if len(values) == 1:
        error = estimates[0].item_error
        return Points(100 * values[0], None if error is None else 100 * error)
    return Points(100 * statistics.fmean(values), 100 * statistics.stdev(values))


def _main_row(group: Group, columns: Sequence[_Column]) -> tuple[Entry, ...]:
    measures = [
        estimate_over_seeds([MEASURES[name].of(run.matrix) for run in group.runs]) for name in _MAIN
    ]
    suites = [column.points(group) for column in columns]
    return (*_group_entries(group), *measures, *suites, len(group.runs), *_budget(group))


def _budget(group: Group) -> list[str]:
    """What a run of the group cost, mean over its seeds; a dash where nothing was trained here."""
    cells = []
    for name, cost in BUDGET.items():
        found = [run.costs[name] for run in group.runs if name in run.costs]
        cells.append(cost.form.format(statistics.fmean(found) / cost.scale) if found else DASH)
    return cells


def _suite_rows(group: Group) -> Iterator[tuple[Entry, ...]]:
    """One row per benchmark, then one per suite whose benchmarks are several of one kind."""
    names = _benchmark_names(group.runs)
    yield from (_benchmark_row(group, key) for key in names)
    for suite in dict.fromkeys(suite for suite, _ in names):
        items = [b for run in group.runs for b in run.benchmarks if b.suite == suite]
        if len({item.name for item in items}) > 1 and {item.side for item in items} == {None}:
            changes = [run.suite_delta(suite) for run in group.runs]
            corrected = [run.suite_delta(suite, corrected=True) for run in group.runs]
            yield (
                *_group_entries(group),
                *(suite, "(mean)", ""),
                *(Points(None), Points(None), estimate_over_seeds(changes)),
                *(Points(None), estimate_over_seeds(corrected)),
                len(group.runs),
            )


def _benchmark_row(group: Group, key: tuple[str, str]) -> tuple[Entry, ...]:
    having = [run for run in group.runs if _benchmark(run, key)]
    found = [_benchmark(run, key) for run in having]
    last = having[0].last_stage
    pairs = list(zip(having, found, strict=True))
    return (
        *_group_entries(group),
        *key,
        found[0].metric,
        estimate_over_seeds([_at(run, key, 0) for run in having]),
        estimate_over_seeds([] if last is None else [_at(run, key, last) for run in having]),
        estimate_over_seeds([run.delta(item) for run, item in pairs]),
        _mean_points([item.floor for item in found]),
        estimate_over_seeds([run.corrected_delta(item) for run, item in pairs]),
        len(having),
    )


def _group_headings() -> tuple[Heading, ...]:
    names = ("model", "sequence", "method", "protocol")
    return tuple(Heading(name.capitalize(), name) for name in names)


def _group_entries(group: Group) -> tuple[str, ...]:
    return group.model, group.sequence, group.method, group.protocol or ""


def _without_empty_protocol(table: Table) -> Table:
    position = [heading.name for heading in table.headings].index("protocol")
    if len({row[position] for row in table.rows}) > 1:
        return table
    return table.columns([i for i in range(len(table.headings)) if i != position])


def _incomplete_notes(groups: Sequence[Group]) -> tuple[str, ...]:
    notes = []
    for run in (run for group in groups for run in group.incomplete):
        lacking = ", ".join(f"({stage}, {name})" for stage, name in run.missing()[:3])
        more = len(run.missing()) - 3
        rest = f" and {more} more" if more > 0 else ""
        ended = f"; it {run.ended[1]} at stage {run.ended[0]}" if run.ended else ""
        notes.append(f"incomplete: run {run.name} lacks (stage, task) {lacking}{rest}{ended}.")
    return tuple(notes)


def _benchmark_names(runs: Sequence[Run]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((item.suite, item.name) for run in runs for item in run.benchmarks))


def _benchmark(run: Run, key: tuple[str, str]) -> Benchmark | None:
    return next((item for item in run.benchmarks if (item.suite, item.name) == key), None)


def _at(run: Run, key: tuple[str, str], stage: int) -> Estimate:
    item = _benchmark(run, key)
    return Estimate() if item is None else item.at(stage)


def _target(run: Run, stage: int, column: int) -> float | None:
    return run.matrix.values[stage][column]


def _mean_points(values: Sequence[float | None]) -> Points:
    return Points(estimate_over_seeds([Estimate(value, None) for value in values]).value)


def _stage_has_scores(runs: Sequence[Run], stage: int) -> bool:
    return any(
        any(value is not None for value in run.matrix.values[stage])
        or any(item.at(stage).value is not None for item in run.benchmarks)
        for run in runs
    )


def _trained(run: Run, stage: int) -> str:
    if stage == 0:
        return "(initial)"
    return "(all)" if run.matrix.schedule == "joint" else run.matrix.tasks[stage - 1]
