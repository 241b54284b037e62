"""Results of the stock lm-eval: `results_<time>.json` of one model, as one stage of a run.

A group becomes one benchmark: its score is the unweighted mean over the tasks at its leaves, as in
our own suites, whatever lm-eval's own mean weighs them by. A group that lm-eval gives no score for,
or whose tasks share no metric, is no benchmark; what it consists of is.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.evaluation.scores import in_own_units, weighted_mean
from harness.results.importing.record import Imported
from harness.store.scores import ScoreRow, is_number

# What TRACE's benchmarks are judged by, in the order of preference.
HEADLINES = ("acc", "exact_match", "f1", "prompt_level_strict_acc", "acc_norm")


def read_folder(folder: Path, stage: int, suite: str, metric: str | None) -> list[Imported]:
    """The newest results in a model's folder, one cell per task or group.

    metric: the headline metric; null = the first of HEADLINES that a task has, else its first.
    Raises DataError naming the file or task, or the models where the folder has several.
    """
    path = _newest(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        results = _Results(path, content)
        benchmarks = list(results.benchmarks())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a results file of lm-eval ({error})") from error
    if not benchmarks:
        raise DataError(f"{path}: no task in it has a score")
    return [
        _cell(path, stage, suite, name, rows, results.shots(name), metric)
        for name, rows in benchmarks
    ]


def _newest(folder: Path) -> Path:
    """The last results by the time in their name (results_<time>.json)."""
    files = list(folder.rglob("results*.json")) if folder.is_dir() else [folder]
    if not files or not files[0].is_file():
        raise DataError(f"{folder}: no results_*.json of lm-eval is there")
    places = sorted({str(path.parent) for path in files})
    if len(places) > 1:
        raise DataError(
            f"{folder}: results of several models, in {', '.join(places)}; name one of these"
        )
    return max(files, key=lambda path: path.name)


class _Results:
    """The content of a results file."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path = path
        self.scores: dict[str, dict[str, Any]] = dict(content["results"])
        self.groups: dict[str, list[str]] = dict(content.get("group_subtasks") or {})
        self.counts: dict[str, Any] = dict(content.get("n-samples") or {})
        self.demonstrations: dict[str, int] = dict(content.get("n-shot") or {})
        self.higher: dict[str, Any] = dict(content.get("higher_is_better") or {})

    def benchmarks(self) -> Iterator[tuple[str, list[ScoreRow]]]:
        """(name, rows) of every task and group that is part of no other."""
        parts = {
            part for name in self.scores for part in self._below(name) if part != name
        }  # of groups that are in the file
        for name in self.scores:
            if name not in parts:
                yield from self._benchmark(name)

    def shots(self, name: str) -> int | None:
        """Demonstrations in the prompts; null where it is not told or differs between parts."""
        told = {self.demonstrations.get(leaf) for leaf in self.leaves(name)}
        return told.pop() if len(told) == 1 else None

    def leaves(self, name: str) -> list[str]:
        """The tasks at the leaves of a group that the file has scores of; of a task, itself."""
        found = [n for n in self._below(name) if not self.groups.get(n) and n in self.scores]
        return found or [name]

    def _below(self, name: str) -> list[str]:
        """The name and all parts of it, each once."""
        found = {name: None}
        waiting = list(self.groups.get(name, []))
        while waiting:
            part = waiting.pop(0)
            if part not in found:
                found[part] = None
                waiting += self.groups.get(part, [])
        return list(found)

    def _benchmark(self, name: str) -> Iterator[tuple[str, list[ScoreRow]]]:
        leaves = self.leaves(name)
        own = self._rows(name, None)
        if leaves == [name]:
            if own:
                yield name, own
            elif not self.groups.get(name):
                raise DataError(f"{self.path}: task '{name}' has no score")
            return
        by_leaf = [self._rows(leaf, leaf) for leaf in leaves]
        means = list(_macro(by_leaf)) if own else []
        if means:
            yield name, means + [row for rows in by_leaf for row in rows]
            return
        for part in self.groups[name]:
            if part in self.scores or self.groups.get(part):
                yield from self._benchmark(part)

    def _rows(self, task: str, subtask: str | None) -> list[ScoreRow]:
        found = self.scores.get(task, {})
        count = (self.counts.get(task) or {}).get("effective")
        higher = self.higher.get(task) or {}
        rows = []
        for name, value in found.items():
            metric, comma, chosen = name.partition(",")
            if not comma or metric.endswith("_stderr") or not is_number(value):
                continue
            if not math.isfinite(value):
                raise DataError(f"{self.path}: {metric} of task '{task}' is {value}, no number")
            error = found.get(f"{metric}_stderr,{chosen}")
            known = is_number(error) and math.isfinite(error)
            rows.append(
                {
                    "subtask": subtask,
                    "metric": metric,
                    "filter": chosen,
                    "value": float(value),
                    "stderr": float(error) if known else None,
                    "n": count,
                    "higher_is_better": higher.get(metric) is not False,
                }
            )
        return rows


def _macro(parts: list[list[ScoreRow]]) -> Iterator[ScoreRow]:
    """The unweighted mean of every metric that all parts have."""
    for metric, chosen in [(row["metric"], row["filter"]) for row in parts[0]]:
        same = [r for rows in parts for r in rows if (r["metric"], r["filter"]) == (metric, chosen)]
        if len(same) == len(parts):
            yield weighted_mean(same, [1 / len(same)] * len(same))


def _cell(
    path: Path,
    stage: int,
    suite: str,
    task: str,
    rows: list[ScoreRow],
    shots: int | None,
    metric: str | None,
) -> Imported:
    own = [row for row in rows if row["subtask"] is None]
    names = [row["metric"] for row in own]
    if metric is not None and metric not in names:
        raise DataError(
            f"{path}: task '{task}' has no metric '{metric}'; it has {', '.join(names)}"
        )
    wanted = metric or next((name for name in HEADLINES if name in names), names[0])
    chosen = next(row for row in own if row["metric"] == wanted)
    return Imported(
        stage, suite, task, wanted, chosen["filter"], path, in_own_units(rows), shots=shots
    )
