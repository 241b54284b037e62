"""Methods against a baseline: paired differences of OP, LA, BWT and suites, with a verdict."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.errors import DataError
from harness.results.comparing.contributions import (
    Contributions,
    Items,
    Measured,
    Weights,
    contributions,
    measures,
    test_set,
)
from harness.results.comparing.crossed import interval
from harness.results.comparing.interval import LEVEL, Interval, holm, unknown
from harness.results.groups import Group
from harness.results.report.printing import DASH, Heading, Table
from harness.results.runs import Run

_CAPTION = (
    "Difference of a method to its baseline in points, positive = better, over the seeds that both "
    "have, paired by seed and by item; its 95 % interval; p of no difference, adjusted over the "
    "methods (Holm), each measure by itself; detectable: the difference that a test at 5 % finds "
    "in 80 of 100 cases with such data. Seeds and items count as samples, items as independent."
)


@dataclass(frozen=True)
class Comparison:
    """A method beside a baseline by one measure. items: how many are paired, 0 where no predictions
    are there. adjusted: p over all methods that are compared. known: whether every score has items
    or an error."""

    measure: str
    method: str
    baseline: str
    found: Interval
    seeds: int
    items: int
    adjusted: float
    known: bool = True

    @property
    def verdict(self) -> str:
        """In words."""
        if self.adjusted >= LEVEL:
            return "not distinguishable"
        return "better" if self.found.difference > 0 else "worse"


def setting_of(group: Group) -> dict[str, str]:
    """What two groups have to share, or a difference between them is not one of methods: its name
    -> what it is."""
    first = next(iter((*group.runs, *group.incomplete)))
    return {
        "model": group.model,
        "sequence": group.sequence,
        "tasks": ", ".join(first.matrix.tasks),
        "protocol": group.protocol or "none",
        "split": first.split or "unknown",
        "data": first.data or "unknown",
    }


def compare(methods: Sequence[Group], baseline: Group, items: Items) -> list[Comparison]:
    """By every measure that both have. Raises DataError where methods were not run in one setting,
    where runs have no seed in common, or were scored on different items."""
    for group in methods:
        _require_one_setting(group, baseline)
    found = []
    for measured in measures([*baseline.runs, *(run for group in methods for run in group.runs)]):
        rows = [
            row for group in methods if (row := difference_of(group, baseline, measured, items))
        ]
        adjusted = holm([row.found.p() for row in rows])
        found += [replace(row, adjusted=p) for row, p in zip(rows, adjusted, strict=True)]
    return found


def left_out(rows: Sequence[Comparison], methods: Sequence[Group], baseline: Group) -> list[str]:
    """What was not compared, in words."""
    runs = [*baseline.runs, *(run for group in methods for run in group.runs)]
    titles = [measured.title for measured in measures(runs)]
    found = {(row.measure, row.method) for row in rows}
    pairs = [(title, group.method) for title in titles for group in methods]
    lacking = [f"{title} of {name}" for title, name in pairs if (title, name) not in found]
    why = f"not defined there or for {baseline.method}, or of other benchmarks than the baseline's"
    return [f"not compared: {', '.join(lacking)}: {why}."] if lacking else []


def comparison_table(rows: Sequence[Comparison], digest: str, notes: Sequence[str] = ()) -> Table:
    """What was found, for print. notes: what stands below it besides."""
    headings = (
        *(Heading(name.capitalize(), name) for name in ("measure", "method", "baseline")),
        Heading("Difference", "difference", numeric=True),
        Heading("95 % interval", "interval", numeric=True),
        Heading("p", "p", numeric=True),
        Heading("Verdict", "verdict"),
        *(Heading(n.capitalize(), n, numeric=True) for n in ("detectable", "seeds", "items")),
    )
    entries = tuple(
        (
            *(row.measure, row.method, row.baseline, f"{100 * row.found.difference:.1f}"),
            _range(row.found),
            "< 0.001" if row.adjusted < 0.001 else f"{row.adjusted:.3f}",
            *(row.verdict, _points(row.found.detectable()), row.seeds, row.items),
        )
        for row in rows
    )
    told = (*_notes(rows), *notes)
    return Table("Comparison", headings, entries, _CAPTION, "comparison", digest, told)


def _range(found: Interval) -> str:
    return " to ".join(map(_points, found.ends())) if math.isfinite(found.error) else DASH


def _points(value: float) -> str:
    return f"{100 * value:.1f}" if math.isfinite(value) else DASH


def _notes(rows: Sequence[Comparison]) -> Iterator[str]:
    alone = dict.fromkeys(row.method for row in rows if row.seeds == 1)
    if alone:
        yield f"one seed ({', '.join(alone)}): intervals speak of other items, not of other seeds."
    unknown = dict.fromkeys(f"{row.measure} of {row.method}" for row in rows if not row.known)
    if unknown:
        told = "speak of other seeds, not of other items; of one seed nothing can be said"
        yield (
            f"no predictions and no standard errors are there for scores of {', '.join(unknown)}: "
            f"intervals {told}."
        )
    loose = dict.fromkeys(
        f"{row.measure} of {row.method}" for row in rows if row.known and not row.items
    )
    if loose:
        told = "errors of scores are taken as independent, which is too large"
        yield f"no predictions are there for {', '.join(loose)}: {told}."


def difference_of(
    method: Group, baseline: Group, measured: Measured, items: Items
) -> Comparison | None:
    """None where the measure is not defined for one of them, or not the same for both."""
    pairs = _pairs(method, baseline)
    weights = [tuple(map(measured.weights, pair)) for pair in pairs]
    defined = [(a, b) for a, b in weights if a is not None and b is not None]
    alike = len({frozenset(map(test_set, one)) for both in defined for one in both}) == 1
    if len(defined) < len(pairs) or not alike:
        return None
    sides = _sides(pairs, defined, items)
    names = list(sides[0][0].items)
    counts = [len(sides[0][0].items[name].ids) for name in names]
    found, known = _interval(names, sides)
    about = measured.title, method.method, baseline.method
    return Comparison(*about, found, len(pairs), sum(counts), 1.0, known)


def _require_one_setting(method: Group, baseline: Group) -> None:
    own, other = setting_of(method), setting_of(baseline)
    told = [f"{name} ({own[name]} / {other[name]})" for name in own if own[name] != other[name]]
    if told:
        raise DataError(
            f"{method.method} and {baseline.method} differ in {', '.join(told)}; compare methods "
            "that share all of these"
        )


def _pairs(method: Group, baseline: Group) -> list[tuple[Run, Run]]:
    """Runs of the same seed; those without one have none in common."""
    own, others = (
        {run.seed: run for run in group.runs if run.seed is not None}
        for group in (method, baseline)
    )
    shared = [seed for seed in own if seed in others]
    if not shared:
        seeds = {g.method: ", ".join(_seeds(g)) for g in (method, baseline)}
        told = " and ".join(f"{name} has {listed or 'none'}" for name, listed in seeds.items())
        raise DataError(f"{method.method} and {baseline.method} have no seed in common: {told}")
    return [(own[seed], others[seed]) for seed in shared]


def _seeds(group: Group) -> list[str]:
    return [str(run.seed) for run in group.runs if run.seed is not None]


def _sides(
    pairs: Sequence[tuple[Run, Run]],
    weights: Sequence[tuple[Weights, Weights]],
    items: Items,
) -> list[tuple[Contributions, Contributions]]:
    """What both runs of every pair add, with the items of those benchmarks that all of them
    have."""
    first = [
        [contributions(items, run, own) for run, own in zip(pair, both, strict=True)]
        for pair, both in zip(pairs, weights, strict=True)
    ]
    having = [set(side.items) for sides in first for side in sides]
    shared = set.intersection(*having)
    found = []
    for pair, both in zip(pairs, weights, strict=True):
        left, right = (
            contributions(items, run, own, shared) for run, own in zip(pair, both, strict=True)
        )
        found.append((left, right))
        for name in shared:
            sets = {side.items[name].ids for side in (found[0][0], left, right)}
            if len(sets) > 1:
                raise DataError(
                    f"{name.partition(':')[2]}: runs {pair[0].name} and {pair[1].name} were scored "
                    "on other items than each other, or than those of another seed"
                )
    return found


def _interval(
    names: Sequence[str], sides: Sequence[tuple[Contributions, Contributions]]
) -> tuple[Interval, bool]:
    """The interval, and whether every score has items or an error. One seed whose errors are not
    all known tells nothing."""
    import numpy as np

    tables = [
        np.stack([left.items[name].values - right.items[name].values for left, right in sides])
        for name in names
    ]
    rest = np.array([left.rest - right.rest for left, right in sides])
    if not tables:
        tables = [np.zeros((len(sides), 2))]
    tables[0] = tables[0] + rest[:, None]
    variances = [side.variance for both in sides for side in both]
    known = [variance for variance in variances if variance is not None]
    reach = [sum(side.reach[name] for side in sides[0]) for name in names] or [0.0]
    found = interval(tables, sum(known) / len(sides), reach)
    # Seeds that happen to agree are no evidence that others would.
    if len(known) < len(variances) and (len(sides) == 1 or not found.error):
        found = unknown(found.difference)
    return found, len(known) == len(variances)
