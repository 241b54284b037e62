"""What every item of a run adds to a measure, from the predictions in a store."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from harness.errors import DAMAGED, DataError
from harness.results.items.sheets import read_sheet
from harness.results.measures.continual import MEASURES, dataset_of
from harness.results.measures.item_errors import ItemScores, unpaired_error
from harness.results.records import RunRecord, read_record, record_path
from harness.results.runs import Run
from harness.results.suite_changes import SuiteChange, suite_changes
from harness.store.scores import TARGET, combined_error
from harness.store.store import Store
from harness.store.work import Cell

_SAME = 1e-4  # between a score and the mean of its items; scores of files may be rounded
Place = tuple[int, str, str]  # stage, suite, benchmark
Weights = dict[Place, float]


@dataclass(frozen=True)
class Measured:
    """A measure that is compared: its title and name in tables, and what it puts on the scores of a
    run; None where it is not defined."""

    title: str
    name: str
    weights: Callable[[Run], Weights | None]


class Items:
    """The item scores of runs, read once. store: None where there is none."""

    def __init__(self, store: Store | None) -> None:
        self.store = store
        self._records: dict[str, RunRecord | None] = {}
        self._read: dict[tuple[str, str, str], ItemScores | None] = {}

    def of(self, run: Run, place: Place) -> ItemScores | None:
        """Scores in 0..1 of the items of a benchmark at a stage; None where they are not known, or
        where their mean is not the run's score (of pooled metrics, say)."""
        record = self._record(run.name)
        cells = [] if record is None else record.cells
        for cell in cells:
            if (cell.stage, cell.suite, cell.benchmark) == place and cell.kind == "eval":
                # Suites may look at one node by other metrics.
                looked = cell.key, cell.headline, cell.filter
                if looked not in self._read:
                    self._read[looked] = self._sheet(cell)
                found = self._read[looked]
                if found is None or abs(float(found.values.mean()) - score(run, place)[0]) > _SAME:
                    return None
                return found
        return None

    def _sheet(self, cell: Cell) -> ItemScores | None:
        import numpy as np

        assert self.store is not None
        try:
            sheet = read_sheet(self.store, cell)
        except DAMAGED:
            return None
        values = np.asarray(sheet.strict, dtype=float)
        if np.isnan(values).any() or len(values) < 2:
            return None
        # Two test sets of one size have the same numbers. Compared within this process alone.
        contents = map(hash, zip(sheet.targets, sheet.asked, strict=True))
        ids = tuple((*one, content) for one, content in zip(sheet.ids, contents, strict=True))
        return ItemScores(ids, values)

    def _record(self, run: str) -> RunRecord | None:
        if run not in self._records:
            self._records[run] = None
            if self.store is not None:
                with suppress(*DAMAGED):
                    self._records[run] = read_record(record_path(self.store, run))
        return self._records[run]


def score(run: Run, place: Place) -> tuple[float, float | None]:
    """A score of a run and its item error."""
    stage, suite, name = place
    if suite == TARGET:
        at = run.matrix.tasks.index(name)
        return run.matrix.value((stage, at)), run.matrix.error((stage, at))
    found = next(b for b in run.benchmarks if (b.suite, b.name) == (suite, name)).at(stage)
    if found.value is None:
        raise DataError(f"run {run.name} has no score of {suite}: {name} at stage {stage}")
    return found.value, found.item_error


@dataclass(frozen=True)
class Contributions:
    """What a run adds to a measure. items: by test set, of each item; reach: the sum of |w| over
    the scores in it; rest: the sum of what has no known items, and its variance with independent
    errors, null where one of them is not known."""

    items: dict[str, ItemScores]
    reach: dict[str, float]
    rest: float
    variance: float | None


def test_set(place: Place) -> str:
    """What a score is of: benchmarks of one name in two suites are two."""
    return f"{place[1]}:{dataset_of(place[2])}"


def contributions(
    items: Items, run: Run, weights: Weights, only: Collection[str] | None = None
) -> Contributions:
    """only: the test sets whose items are wanted; null for all that are known."""
    found, reach, rest = dict[str, ItemScores](), defaultdict[str, float](float), 0.0
    loose = defaultdict[str, list[tuple[float, float | None]]](list)
    for place, weight in weights.items():
        name = test_set(place)
        own = items.of(run, place) if only is None or name in only else None
        if own is None or (name in found and found[name].ids != own.ids):
            value, error = score(run, place)
            rest += weight * value
            loose[name].append((weight, error))
            continue
        before = found[name].values if name in found else 0.0
        found[name] = ItemScores(own.ids, before + weight * own.values)
        reach[name] += abs(weight)
    errors = [unpaired_error(cells) for cells in loose.values()]
    combined = combined_error(errors)
    return Contributions(found, reach, rest, None if combined is None else combined**2)


def measures(runs: Sequence[Run]) -> Iterator[Measured]:
    """OP, LA, BWT and the changes of suites."""
    for name, title in (("op", "OP"), ("learning_accuracy", "LA"), ("bwt", "BWT")):
        yield Measured(title, name, _of_measure(name))
    for change in suite_changes(runs):
        yield Measured(change.title, change.name, _of_suite(change))


def _of_measure(name: str) -> Callable[[Run], Weights | None]:
    def weights(run: Run) -> Weights | None:
        found = MEASURES[name].weights(run.matrix)
        if found is None:
            return None
        tasks = run.matrix.tasks
        return {(stage, TARGET, tasks[at]): weight for (stage, at), weight in found.items()}

    return weights


def _of_suite(change: SuiteChange) -> Callable[[Run], Weights | None]:
    suite, sides = change.suite, change.sides

    def weights(run: Run) -> Weights | None:
        mine = (item for item in run.benchmarks if item.suite == suite)
        own = [item for item in mine if sides is None or item.side in sides]
        last, found = run.last_stage, dict[Place, float]()
        if not own or last is None:
            return None
        for item in own:
            if item.at(0).value is None or item.at(last).value is None:
                return None
            # What trains nothing changes nothing, on the same items as others.
            share = item.sign / len(own) if last else 0.0
            found |= {(0, suite, item.name): -share, (last, suite, item.name): share}
        return found

    return weights
