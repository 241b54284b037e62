"""Runs whose errors are paired by item: they read the scores of their items when asked for them."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from harness.results.comparing.contributions import Place, score
from harness.results.items.sheets import DAMAGED, read_sheet
from harness.results.measures import matrix
from harness.results.measures.item_errors import ItemScores
from harness.results.records import RunRecord, read_record, record_path
from harness.results.runs import Benchmark, Run
from harness.store.scores import TARGET
from harness.store.store import Store
from harness.store.work import Cell

_SAME = 1e-4  # between a score and the mean of its items; scores of files may be rounded


def paired_runs(runs: Iterable[Run], store: Store | None) -> list[Run]:
    """The same runs; values do not change. store: theirs, null where there is none."""
    if store is None:
        return list(runs)
    items = _Items(store)
    return [_paired(run, items) for run in runs]


def _paired(run: Run, items: "_Items") -> Run:
    def of_task(place: matrix.Place) -> ItemScores | None:
        return items.of(run, (place[0], TARGET, run.matrix.tasks[place[1]]))

    def of_benchmark(benchmark: Benchmark) -> Callable[[int], ItemScores | None]:
        return lambda stage: items.of(run, (stage, benchmark.suite, benchmark.name))

    benchmarks = tuple(replace(item, items=of_benchmark(item)) for item in run.benchmarks)
    return replace(run, matrix=replace(run.matrix, items=of_task), benchmarks=benchmarks)


class _Items:
    """The item scores of runs, read once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._records: dict[str, RunRecord | None] = {}
        self._read: dict[str, ItemScores | None] = {}

    def of(self, run: Run, place: Place) -> ItemScores | None:
        """Scores in 0..1 of the items of a benchmark at a stage; None where they are not known, or
        where their mean is not the run's score (of pooled metrics, say)."""
        record = self._record(run.name)
        cells = [] if record is None else record.cells
        for cell in cells:
            if (cell.stage, cell.suite, cell.benchmark) == place and cell.kind == "eval":
                if cell.key not in self._read:
                    self._read[cell.key] = self._sheet(cell)
                found = self._read[cell.key]
                mean = None if found is None else float(found.values.mean())
                return (
                    found
                    if mean is not None and abs(mean - score(run, place)[0]) <= _SAME
                    else None
                )
        return None

    def _sheet(self, cell: Cell) -> ItemScores | None:
        import numpy as np

        try:
            sheet = read_sheet(self.store, cell)
        except DAMAGED:
            return None
        values = np.asarray(sheet.strict, dtype=float)
        return None if np.isnan(values).any() or len(values) < 2 else ItemScores(sheet.ids, values)

    def _record(self, run: str) -> RunRecord | None:
        if run not in self._records:
            self._records[run] = None
            with suppress(*DAMAGED):
                self._records[run] = read_record(record_path(self.store, run))
        return self._records[run]
