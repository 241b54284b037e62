"""What became of the items of a benchmark over the stages of a run."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.errors import DAMAGED, DataError, suggest
from harness.results.items.sheets import RIGHT, Sheet, read_sheet
from harness.results.records import RunRecord
from harness.store.scores import TARGET
from harness.store.store import Store
from harness.store.work import Cell


@dataclass(frozen=True)
class Scored:
    """A benchmark at one stage. trained: the task of that stage, None for the initial model."""

    stage: int
    trained: str | None
    sheet: Sheet

    def right(self, item: int) -> bool:
        """Is its strict score one of an item that counts as right?"""
        return self.sheet.strict[item] >= RIGHT

    def format_only(self, item: int) -> bool:
        """Is the answer there for a lenient eye alone? Then its form was lost, not what it says."""
        lenient = self.sheet.lenient
        return lenient is not None and not self.right(item) and lenient[item] >= RIGHT


@dataclass(frozen=True)
class Change:
    """Items of a stage: right at it, and what became of them since the scored stage before."""

    right: int
    kept: int
    lost: int
    gained: int
    format_only: int


@dataclass(frozen=True)
class History:
    """A benchmark over a run. stages: those that are there, in order; learned: the place among them
    of the one that trained its task, of the first one for others; lacking: stages whose predictions
    cannot be read; key: a node of it."""

    record: RunRecord
    suite: str
    benchmark: str
    metric: str
    key: str
    stages: tuple[Scored, ...]
    learned: int
    lacking: tuple[int, ...]

    @property
    def items(self) -> int:
        """How many there are."""
        return len(self.stages[0].sheet.ids)

    def place_of(self, name: str) -> int:
        """The place of an item by its number. Raises DataError where there is none."""
        names = [" ".join(filter(None, one)) for one in self.stages[0].sheet.ids]
        if name not in names:
            told = f"its items are {names[0]} to {names[-1]}"
            raise DataError(f"{self.benchmark} has no item {name}; {told}")
        return names.index(name)

    def lost(self, item: int) -> bool:
        """Right when it was learned, wrong in the end?"""
        return self.stages[self.learned].right(item) and not self.stages[-1].right(item)

    def gained(self, item: int) -> bool:
        """Wrong when it was learned, right in the end?"""
        return not self.stages[self.learned].right(item) and self.stages[-1].right(item)

    def format_only(self, item: int) -> bool:
        """Right in the end but for its form?"""
        return self.stages[-1].format_only(item)

    def lost_at(self, item: int) -> Scored | None:
        """The stage from which on it is wrong to the end; None where it is right there."""
        wrong = None
        for scored in reversed(self.stages):
            if scored.right(item):
                return wrong
            wrong = scored
        return wrong

    def changes(self) -> Iterator[tuple[Scored, Change]]:
        """Every stage and what became of the items since the one before."""
        before: Scored | None = None
        for scored in self.stages:
            now = [scored.right(item) for item in range(self.items)]
            then = [before is not None and before.right(item) for item in range(self.items)]
            pairs = list(zip(then, now, strict=True))
            kept, lost, gained = (
                pairs.count(pair) for pair in ((True, True), (True, False), (False, True))
            )
            form = sum(scored.format_only(item) for item in range(self.items))
            yield scored, Change(sum(now), kept, lost, gained if before else 0, form)
            before = scored


def mean(values: Sequence[float] | None) -> float | None:
    """Of those that are numbers; None where there are none."""
    known = [value for value in values or () if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else None


def history(store: Store, record: RunRecord, benchmark: str) -> History:
    """A benchmark of a run. Raises DataError where the run has none of this name, where nothing of
    it can be read, or where its stages were scored on different items."""
    cells = cells_of(record, benchmark)
    found, lacking = list[Scored](), list[int]()
    for cell in cells:
        try:
            found.append(Scored(cell.stage, cell.trained_task, read_sheet(store, cell)))
        except DAMAGED:
            lacking.append(cell.stage)
    if not found:
        raise DataError(f"{benchmark}: run {record.run['run']} has no predictions of it here")
    if len({scored.sheet.ids for scored in found}) > 1:
        raise DataError(f"{benchmark}: its stages were scored on different items")
    first, tasks = cells[0], record.run["tasks"]
    own = tasks.index(benchmark) + 1 if first.suite == TARGET and benchmark in tasks else 0
    learned = next((at for at, scored in enumerate(found) if scored.stage >= own), len(found) - 1)
    return History(
        record,
        first.suite,
        benchmark,
        first.headline,
        first.key,
        tuple(found),
        learned,
        tuple(lacking),
    )


def cells_of(record: RunRecord, benchmark: str) -> list[Cell]:
    """The cells of a benchmark, by stage. Raises DataError naming the nearest where a run has
    none."""
    names = benchmarks_of(record)
    if benchmark not in names:
        told = suggest(benchmark, names)
        raise DataError(f"run {record.run['run']} has no benchmark '{benchmark}'{told}")
    mine = (cell for cell in record.cells if cell.benchmark == benchmark and cell.kind == "eval")
    return sorted(mine, key=lambda cell: cell.stage)


def benchmarks_of(record: RunRecord) -> list[str]:
    """What a run was scored on item by item: its tasks, then the suites' benchmarks."""
    cells = sorted(record.cells, key=lambda cell: cell.suite != TARGET)
    return list(dict.fromkeys(cell.benchmark for cell in cells if cell.kind == "eval"))
