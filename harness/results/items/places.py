"""Which benchmarks a run was scored on item by item: suites may have some of one name."""

from collections import Counter

from harness.results.records import RunRecord
from harness.store.scores import TARGET
from harness.store.work import Cell

Place = tuple[str, str]  # suite, benchmark


def places_of(record: RunRecord, name: str | None = None) -> list[Place]:
    """Of a run, those of this name, or SUITE/NAME: its tasks, then the suites' benchmarks."""
    cells = sorted(record.cells, key=lambda cell: cell.suite != TARGET)
    found = dict.fromkeys((cell.suite, cell.benchmark) for cell in cells if cell.kind == "eval")
    return [place for place in found if name in (None, place[1], "/".join(place))]


def title_of(record: RunRecord, place: Place) -> str:
    """A benchmark's name, as SUITE/NAME where the run has several of this name."""
    count = Counter(benchmark for _, benchmark in places_of(record))
    return place[1] if count[place[1]] == 1 else "/".join(place)


def cells_of(record: RunRecord, place: Place) -> list[Cell]:
    """The cells of a benchmark, one a stage, in order."""
    found = dict[int, Cell]()
    for cell in record.cells:
        if (cell.suite, cell.benchmark) == place and cell.kind == "eval":
            found.setdefault(cell.stage, cell)
    return [found[stage] for stage in sorted(found)]
