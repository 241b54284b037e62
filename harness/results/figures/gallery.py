"""All figures that a table of scores gives."""

from collections.abc import Sequence

from harness.results.figures.curves import (
    learned_and_kept,
    score_and_cost,
    suite_curves,
    task_curves,
)
from harness.results.figures.heatmap import heatmap, panel
from harness.results.groups import Group

# Those of all methods together -> what they show.
OVERVIEW = {
    "matrices": "Score matrices of all methods: stages down, tasks across",
    "tasks": "Every task's score over the stages after its own, by method",
    "suites": "Every suite's score over the stages, by method",
    "learned_and_kept": "Learning accuracy against backward transfer, a point per method",
    "score_and_cost": "Overall performance against device hours, a point per method",
}


def gallery(named: dict[str, Group], digest: str) -> dict[str, dict[str, bytes]]:
    """Name -> suffix -> file. named: groups with a complete run, by the name of their heat map."""
    maps = {name: heatmap(group, digest) for name, group in named.items()}
    return maps | overview(list(named.values()), digest)


def overview(groups: Sequence[Group], digest: str) -> dict[str, dict[str, bytes]]:
    """Those of all methods together that these groups have numbers for."""
    drawn = {
        "matrices": panel(groups, digest) if len(groups) > 1 else None,
        "tasks": task_curves(groups, digest),
        "suites": suite_curves(groups, digest),
        "learned_and_kept": learned_and_kept(groups, digest),
        "score_and_cost": score_and_cost(groups, digest),
    }
    return {name: files for name, files in drawn.items() if files is not None}
