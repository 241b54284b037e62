"""All figures that a table of scores gives."""

from collections.abc import Callable, Sequence
from functools import partial

from harness.results.figures.beside import Beside
from harness.results.figures.curves import suite_curves, task_curves
from harness.results.figures.heatmap import heatmap, panel
from harness.results.figures.judged import win_tie_lose
from harness.results.figures.points import learned_and_kept, score_and_cost, strict_and_lenient
from harness.results.figures.saved import only
from harness.results.groups import Group

# Those of all methods together -> what they show.
OVERVIEW = {
    "matrices": "Score matrices of all methods: stages down, tasks across",
    "tasks": "Every task's score over the stages after its own, by method",
    "suites": "Every suite's score over the stages, by method",
    "learned_and_kept": "Learning accuracy against backward transfer, a point per method",
    "score_and_cost": "Overall performance against device hours, a point per method",
    "strict_and_lenient": "Strict against lenient score of every task after the last stage",
    "win_tie_lose": "How often a judge preferred the last stage's answers to the initial model's",
}


Drawing = Callable[[], dict[str, bytes] | None]  # suffix -> file; None where it would be empty


def drawings(
    named: dict[str, Group], digest: str, beside: Beside | None = None
) -> dict[str, Drawing]:
    """Name -> what draws it. named: groups with a complete run, by the name of their heat map;
    beside: what figures need of the table that groups do not have."""
    maps = {name: partial(heatmap, group, digest) for name, group in named.items()}
    return {**maps, **_of_all(list(named.values()), digest, beside or Beside())}


def overview(
    groups: Sequence[Group], digest: str, beside: Beside | None = None
) -> dict[str, bytes]:
    """Name -> SVG: those of all methods together that these groups have numbers for."""
    with only("svg"):
        drawn = {name: draw() for name, draw in _of_all(groups, digest, beside or Beside()).items()}
    return {name: files["svg"] for name, files in drawn.items() if files is not None}


def _of_all(groups: Sequence[Group], digest: str, beside: Beside) -> dict[str, Drawing]:
    return {
        "matrices": partial(panel, groups, digest),
        "tasks": partial(task_curves, groups, digest),
        "suites": partial(suite_curves, groups, digest),
        "learned_and_kept": partial(learned_and_kept, groups, digest),
        "score_and_cost": partial(score_and_cost, groups, digest),
        "strict_and_lenient": partial(strict_and_lenient, groups, beside, digest),
        "win_tie_lose": partial(win_tie_lose, groups, beside, digest),
    }
