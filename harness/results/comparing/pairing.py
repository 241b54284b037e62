"""Runs whose errors are paired by item: they read the scores of their items when asked for them."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from harness.results.comparing.contributions import Items
from harness.results.measures.item_errors import ItemScores
from harness.results.measures.matrix import Place
from harness.results.runs import Benchmark, Run
from harness.store.scores import TARGET


def paired_runs(runs: Iterable[Run], items: Items) -> list[Run]:
    """The same runs; values do not change, and errors do not where no items are there."""
    return list(runs) if items.store is None else [_paired(run, items) for run in runs]


def _paired(run: Run, items: Items) -> Run:
    def of_task(place: Place) -> ItemScores | None:
        return items.of(run, (place[0], TARGET, run.matrix.tasks[place[1]]))

    def of_benchmark(benchmark: Benchmark) -> Callable[[int], ItemScores | None]:
        return lambda stage: items.of(run, (stage, benchmark.suite, benchmark.name))

    benchmarks = tuple(replace(item, items=of_benchmark(item)) for item in run.benchmarks)
    return replace(run, matrix=replace(run.matrix, items=of_task), benchmarks=benchmarks)
