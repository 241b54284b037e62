"""What became of the items of a benchmark over the stages of a run."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.config import Schedule
from harness.errors import DAMAGED, DataError, suggest
from harness.results.items.places import Place, cells_of, places_of, title_of
from harness.results.items.sheets import RIGHT, Sheet, read_sheet
from harness.results.records import RunRecord
from harness.store.scores import TARGET
from harness.store.store import Store


@dataclass(frozen=True)
class Scored:
    """A benchmark at one stage. trained: the task of that stage, None for the initial model and
    for one that was trained on all tasks at once."""

    stage: int
    trained: str | None
    sheet: Sheet

    @property
    def told(self) -> str:
        """What was trained, for people."""
        return self.trained or ("(all tasks)" if self.stage else "(initial)")

    def right(self, item: int) -> bool:
        """Is its strict score one of an item that counts as right?"""
        return self.sheet.strict[item] >= RIGHT

    def wrong(self, item: int) -> bool:
        """Is it one of an item that does not? An item without a score is neither right nor
        wrong."""
        return self.sheet.strict[item] < RIGHT

    def format_only(self, item: int) -> bool:
        """Is the answer there for a lenient eye alone? Then its form was lost, not what it says."""
        lenient = self.sheet.lenient
        return lenient is not None and self.wrong(item) and lenient[item] >= RIGHT


@dataclass(frozen=True)
class Change:
    """Items of a stage: right at it, and what became of them since the stage that it is compared
    with; unknown: those without a score at it."""

    right: int
    kept: int
    lost: int
    gained: int
    format_only: int
    unknown: int


@dataclass(frozen=True)
class History:
    """A benchmark over a run. title: its name, with its suite where several have one of this name.
    stages: those that are there, in order; learned: the place among them of the one that trained
    its task, of the first one for others; lacking: stages whose predictions cannot be read; key: a
    node of it.

    Stages of the schedule `sequential` come one of the other. Those of `joint` and `single` are
    each trained from the initial model, which is what they are compared with. ends: the places of
    the stages between which an item is lost or gained: from the one that trained its task to the
    last, or from the initial model to the one that trained its task; None where that is not
    defined, as for suites of `single`, which has no last model, and without the initial model."""

    record: RunRecord
    suite: str
    benchmark: str
    title: str
    metric: str
    key: str
    stages: tuple[Scored, ...]
    learned: int
    ends: tuple[int, int] | None
    lacking: tuple[int, ...]

    @property
    def alone(self) -> bool:
        """Is every stage trained from the initial model?"""
        return is_alone(self.record)

    @property
    def items(self) -> int:
        """How many there are."""
        return len(self.stages[0].sheet.ids)

    def place_of(self, name: str) -> int:
        """The place of an item by its number. Raises DataError where there is none."""
        names = [" ".join(filter(None, one)) for one in self.stages[0].sheet.ids]
        if name not in names:
            told = f"its items are {names[0]} to {names[-1]}"
            raise DataError(f"{self.title} has no item {name}; {told}")
        return names.index(name)

    def lost(self, item: int) -> bool:
        """Right at the first of the ends, wrong at the second?"""
        first, last = self._ends()
        return first.right(item) and last.wrong(item)

    def gained(self, item: int) -> bool:
        """Wrong at the first of the ends, right at the second?"""
        first, last = self._ends()
        return first.wrong(item) and last.right(item)

    def format_only(self, item: int) -> bool:
        """Right at the second of the ends but for its form?"""
        return self._ends()[1].format_only(item)

    def lost_at(self, item: int) -> Scored | None:
        """The stage from which on it is wrong to the second of the ends; None where it is not wrong
        there."""
        _first, last = self.ends or (0, 0)
        if not self.stages[last].wrong(item):
            return None
        wrong = self.stages[last]
        for scored in () if self.alone else reversed(self.stages):
            if scored.right(item):
                break
            wrong = scored if scored.wrong(item) else wrong
        return wrong

    def changes(self) -> Iterator[tuple[Scored, Change]]:
        """Every stage and what became of the items since the one that it is compared with."""
        for at, scored in enumerate(self.stages):
            yield scored, self._change(self._before(at), scored)

    def _ends(self) -> tuple[Scored, Scored]:
        assert self.ends is not None
        return self.stages[self.ends[0]], self.stages[self.ends[1]]

    def _before(self, at: int) -> Scored | None:
        if at == 0 or (self.alone and self.stages[0].stage > 0):
            return None
        return self.stages[0 if self.alone else at - 1]

    def _change(self, before: Scored | None, now: Scored) -> Change:
        items = range(self.items)
        right, wrong = [i for i in items if now.right(i)], [i for i in items if now.wrong(i)]
        kept = lost = gained = 0
        if before is not None:
            kept, lost = (sum(map(before.right, some)) for some in (right, wrong))
            gained = sum(map(before.wrong, right))
        form = sum(map(now.format_only, wrong))
        unknown = self.items - len(right) - len(wrong)
        return Change(len(right), kept, lost, gained, form, unknown)


def mean(values: Sequence[float] | None) -> float | None:
    """Of those that are numbers; None where there are none."""
    known = [value for value in values or () if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else None


def history(store: Store, record: RunRecord, name: str) -> History:
    """A benchmark of a run, by its name or as SUITE/NAME. Raises DataError where the run has none
    or several of this name, where nothing of it can be read, or where its stages were scored on
    different items."""
    found = places_of(record, name)
    if not found:
        told = suggest(name, list(dict.fromkeys(benchmark for _, benchmark in places_of(record))))
        raise DataError(f"run {record.run['run']} has no benchmark '{name}'{told}")
    if len(found) > 1:
        told = ", ".join("/".join(place) for place in found)
        raise DataError(f"'{name}' stands in several suites; name one of them: {told}")
    return history_at(store, record, found[0])


def history_at(store: Store, record: RunRecord, place: Place) -> History:
    """The same of a suite's benchmark."""
    cells, title = cells_of(record, place), title_of(record, place)
    joint = record.run["schedule"] == Schedule.joint
    found, lacking = list[Scored](), list[int]()
    for cell in cells:
        try:
            sheet = read_sheet(store, cell)
            found.append(Scored(cell.stage, None if joint else cell.trained_task, sheet))
        except DAMAGED:
            lacking.append(cell.stage)
    if not found:
        raise DataError(f"{title}: run {record.run['run']} has no predictions of it here")
    if len({scored.sheet.ids for scored in found}) > 1:
        raise DataError(f"{title}: its stages were scored on different items")
    learned = _learned(record, place, found)
    return History(
        record,
        *place,
        title,
        cells[0].headline,
        cells[0].key,
        tuple(found),
        learned,
        _ends(record, place, found, learned),
        tuple(lacking),
    )


def _learned(record: RunRecord, place: Place, stages: Sequence[Scored]) -> int:
    suite, benchmark = place
    tasks = record.run["tasks"]
    own = tasks.index(benchmark) + 1 if suite == TARGET and benchmark in tasks else 0
    return next((at for at, scored in enumerate(stages) if scored.stage >= own), len(stages) - 1)


def _ends(
    record: RunRecord, place: Place, stages: Sequence[Scored], learned: int
) -> tuple[int, int] | None:
    last = len(stages) - 1
    if not is_alone(record):
        return learned, last
    single = record.run["schedule"] == Schedule.single
    if stages[0].stage > 0 or (single and place[0] != TARGET):
        return None
    return 0, learned if single else last


def is_alone(record: RunRecord) -> bool:
    """Is every stage of a run trained from the initial model?"""
    return record.run["schedule"] in (Schedule.joint, Schedule.single)
