"""The changes since stage 0 that suites are told by: one for each, or one for each of its sides."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.results.measures.continual import Estimate
from harness.results.runs import Run, suites_in_order

# Sides of a suite -> title of their change. Refusing everything raises one and lowers the other.
SIDES = {"harmful": "Δ refusal", "benign": "Δ compliance"}


@dataclass(frozen=True)
class SuiteChange:
    """The mean change of a suite's benchmarks, of these sides only unless null."""

    title: str
    name: str
    suite: str
    sides: Collection[str | None] | None = None

    def of(self, run: Run) -> Estimate:
        """Its value and item error."""
        return run.suite_delta(self.suite, self.sides)


def suite_changes(runs: Sequence[Run], always: Iterable[str] = ()) -> Iterator[SuiteChange]:
    """Of every suite of these runs, and of those that are there always. Where its benchmarks have
    two sides, one per side, and one for those without a side if there are such."""
    scored = (item.suite for run in runs for item in run.benchmarks)
    for suite in suites_in_order([*always, *scored]):
        sides = {item.side for run in runs for item in run.benchmarks if item.suite == suite}
        if not set(SIDES) <= sides:
            yield SuiteChange(f"Δ {suite}", f"delta_{suite}", suite)
            continue
        for side, title in SIDES.items():
            yield SuiteChange(title, f"delta_{suite}_{side}", suite, (side,))
        if None in sides:
            yield SuiteChange(f"Δ {suite}", f"delta_{suite}", suite, (None,))
