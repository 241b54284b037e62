"""What a cell of a table shows: a sum of scores of one run, each with its weight."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.errors import ConfigError, suggest
from harness.results.measures.continual import MEASURES, Estimate
from harness.results.measures.leagues import LEAGUE_TITLES
from harness.results.runs import Benchmark, Run
from harness.store.scores import COST, COSTS, JUDGE_POINTS, SCORE_UNIT, TARGET

# Names in print of what has another one here.
_PRINTED = {"la": "learning_accuracy"}
_PRINTED |= {title: name for name, title in LEAGUE_TITLES.items()}
_PRINTED |= {cost.title: cost.name for cost in COSTS if cost.title}
_NAMES = {title.casefold().replace(" ", "_"): name for title, name in _PRINTED.items()}
_SIDES = {"harmful": "refusal", "benign": "compliance"}  # of a suite; tables have a column for each
_DELTA, _NET_WIN = "delta_", "net_win_"
_COSTS = {cost.name: cost for cost in COSTS}


@dataclass(frozen=True)
class Part:
    """A score, or of costs what a stage took, that goes into a cell: where it stands in the table
    of scores, and what it is multiplied by. metric: null = the headline of that unit."""

    stage: int
    suite: str
    benchmark: str
    weight: float
    unit: str = SCORE_UNIT
    metric: str | None = None


@dataclass(frozen=True)
class Quantity:
    """A cell of a table. of: its value for a run, null where it is undefined there; scale: what it
    is multiplied by in tables."""

    title: str
    formula: str
    of: Callable[[Run], Estimate]
    parts: Callable[[Run], Sequence[Part]]
    scale: float = 100.0


def quantity(word: str, runs: Sequence[Run], stage: int | None = None) -> Quantity:
    """What a word names: a measure (op, la, bwt), a suite's or a benchmark's change since stage 0
    (delta_general), a judge's net win, a cost, or a task or benchmark, which is scored at a
    stage: `stage`, else the last. Raises ConfigError for a word that names none of these runs'.
    """
    spelled = word.strip().casefold().replace("Δ".casefold(), "delta").replace(" ", "_")
    name = _NAMES.get(spelled, spelled)
    whole = _of_whole_run(name, runs)
    if whole is not None and stage is None:
        return whole
    found = _score(word.strip(), runs, stage)
    if found is not None:
        return found
    if whole is not None:
        raise ConfigError(f"--stage {stage}: '{word}' is of a whole run; name a task or benchmark")
    if name in _COSTS:
        raise ConfigError(f"WHAT '{word}': nothing is known that these runs trained")
    known = list(
        dict.fromkeys(["op", "la", *MEASURES, *_scored(runs), *_changes(runs), *_costs(runs)])
    )
    raise ConfigError(f"WHAT '{word}': no table of these runs has it{suggest(word, known)}")


def _of_whole_run(name: str, runs: Sequence[Run]) -> Quantity | None:
    """A measure, a change, a net win or a cost; none where the word names no such thing."""
    if name in MEASURES:
        return _measure(name)
    if name in _costs(runs):
        return _cost(name)
    return _changes(runs).get(name)


def _measure(name: str) -> Quantity:
    measure = MEASURES[name]

    def parts(run: Run) -> list[Part]:
        weights = measure.weights(run.matrix) or {}
        tasks = run.matrix.tasks
        return [Part(stage, TARGET, tasks[i], w) for (stage, i), w in sorted(weights.items())]

    return Quantity(name, measure.formula, lambda run: measure.of(run.matrix), parts)


def _costs(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.costs if name in _COSTS))


def _cost(name: str) -> Quantity:
    cost = _COSTS[name]

    def parts(run: Run) -> list[Part]:
        stages = range(1, run.matrix.size + 1)
        return [Part(t, COST, "training", 1.0, cost.unit, name) for t in stages]

    how = "largest of the stages" if cost.of_run is max else "sum over the stages"
    formula = f"{how} that were trained, in {cost.unit}"
    return Quantity(name, formula, lambda run: Estimate(run.costs.get(name)), parts, scale=1.0)


def _changes(runs: Sequence[Run]) -> dict[str, Quantity]:
    """Every change and net win that tables of these runs show, by name."""
    found = dict[str, Quantity]()
    items = [item for run in runs for item in run.benchmarks]
    for item in items:
        found.setdefault(f"{_DELTA}{item.name}".casefold(), _change(item.suite, name=item.name))
    for suite in dict.fromkeys(item.suite for item in items):
        sides = {item.side for item in items if item.suite == suite}
        apart = set(_SIDES) <= sides  # what raises one lowers the other: their mean says nothing
        if not apart or None in sides:
            found[f"{_DELTA}{suite}".casefold()] = _change(suite, (None,) if apart else None)
        for side in sorted(side for side in sides if side is not None):
            change = _change(suite, (side,))
            found[f"{_DELTA}{suite}_{side}".casefold()] = change
            found.setdefault(f"{_DELTA}{_SIDES.get(side, side)}".casefold(), change)
    for suite in dict.fromkeys(item.suite for run in runs for item in run.judged):
        found[f"{_NET_WIN}{suite}".casefold()] = _net_win(suite)
    return found


def _change(
    suite: str, sides: Sequence[str | None] | None = None, name: str | None = None
) -> Quantity:
    """R[T] - R[0] of one benchmark, or the mean over those of a suite, of these sides only unless
    null."""

    def chosen(run: Run) -> list[Benchmark]:
        items = (item for item in run.benchmarks if item.suite == suite)
        return [i for i in items if name in (None, i.name) and (sides is None or i.side in sides)]

    def value(run: Run) -> Estimate:
        if name is None:
            return run.suite_delta(suite, sides)
        return next((run.delta(item) for item in chosen(run)), Estimate())

    def parts(run: Run) -> list[Part]:
        items, last = chosen(run), run.last_stage
        ends = ((item, stage, sign) for item in items for stage, sign in ((last, 1), (0, -1)))
        return [Part(t or 0, suite, i.name, s * i.sign / len(items)) for i, t, s in ends if last]

    side = f"_{sides[0]}" if sides and sides[0] is not None else ""
    over = "R[T,b] - R[0,b]" if name else "mean_b (R[T,b] - R[0,b])"
    return Quantity(f"{_DELTA}{name or suite}{side}", f"{over}, more is better", value, parts)


def _net_win(suite: str) -> Quantity:
    def parts(run: Run) -> list[Part]:
        items, last = [item for item in run.judged if item.suite == suite], run.last_stage
        return [
            Part(last, suite, item.name, 1 / len(items), JUDGE_POINTS) for item in items if last
        ]

    formula = "mean_b (win - lose) / 2 of a judge, stage T against stage 0"
    return Quantity(f"{_NET_WIN}{suite}", formula, lambda run: run.net_win(suite), parts)


def _score(word: str, runs: Sequence[Run], stage: int | None) -> Quantity | None:
    """The score of a task or benchmark at a stage. Raises ConfigError where no run has it there."""
    names = [name for name in _scored(runs) if name.casefold() == word.casefold()]
    if not names:
        return None
    name = names[0]

    def at(run: Run) -> int:
        final = run.matrix.tasks.index(name) + 1 if name in run.matrix.tasks else run.matrix.size
        last = run.last_stage
        return stage if stage is not None else final if last is None else last

    def parts(run: Run) -> list[Part]:
        return [Part(at(run), suite, name, 1.0) for suite in _suites_of(run, name)]

    def value(run: Run) -> Estimate:
        return _at(run, name, at(run))

    if all(value(run).value is None for run in runs):
        there = sorted({t for run in runs for t in _stages(run, name)})
        told = ", ".join(map(str, there)) or "none"
        raise ConfigError(f"WHAT '{word}': it has no score at stage {at(runs[0])}; stages: {told}")
    where = "at the last stage" if stage is None else f"at stage {stage}"
    return Quantity(name, f"score {where}", value, parts)


def _scored(runs: Sequence[Run]) -> list[str]:
    names = (n for run in runs for n in (*run.matrix.tasks, *(b.name for b in run.benchmarks)))
    return list(dict.fromkeys(names))


def _suites_of(run: Run, name: str) -> Iterator[str]:
    if name in run.matrix.tasks:
        yield TARGET
    else:
        yield from (item.suite for item in run.benchmarks if item.name == name)


def _at(run: Run, name: str, stage: int) -> Estimate:
    if name in run.matrix.tasks:
        place = stage, run.matrix.tasks.index(name)
        inside = 0 <= stage <= run.matrix.size and run.matrix.has(place)
        return Estimate(run.matrix.value(place), run.matrix.error(place)) if inside else Estimate()
    return next((item.at(stage) for item in run.benchmarks if item.name == name), Estimate())


def _stages(run: Run, name: str) -> list[int]:
    return [t for t in range(run.matrix.size + 1) if _at(run, name, t).value is not None]
