"""Results of the stock lm-eval: `results_<time>.json` of one model, as one stage of a run."""

import json
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.imports.record import Imported

# What TRACE's benchmarks are judged by, in the order of preference.
HEADLINES = ("acc", "exact_match", "f1", "prompt_level_strict_acc", "acc_norm")


def read_folder(folder: Path, stage: int, suite: str, metric: str | None) -> list[Imported]:
    """The newest results below a folder, one cell a task or group.

    metric: the headline metric; null = the first of HEADLINES that a task has, else its first.
    Raises DataError naming the file or task.
    """
    files = sorted(folder.rglob("results*.json")) if folder.is_dir() else [folder]
    if not files or not files[-1].is_file():
        raise DataError(f"{folder}: no results_*.json of lm-eval is there")
    path = files[-1]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        results: dict[str, dict[str, Any]] = content["results"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a results file of lm-eval ({error})") from error
    groups: dict[str, list[str]] = content.get("group_subtasks") or {}
    parts = {part: group for group, listed in groups.items() if group in results for part in listed}
    cells = []
    for task in results:
        if task in parts:
            continue
        rows = _rows(path, content, task, None)
        for part in groups.get(task, []):
            if part in results:
                rows += _rows(path, content, part, part)
        cells.append(_cell(path, stage, suite, task, rows, metric))
    return cells


def _rows(
    path: Path, content: dict[str, Any], task: str, subtask: str | None
) -> list[dict[str, Any]]:
    found = content["results"][task]
    count = (content.get("n-samples") or {}).get(task, {}).get("effective")
    higher = (content.get("higher_is_better") or {}).get(task) or {}
    rows = []
    for name, value in found.items():
        metric, comma, chosen = name.partition(",")
        if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
            continue
        error = found.get(f"{metric}_stderr,{chosen}")
        rows.append(
            {
                "subtask": subtask,
                "metric": metric,
                "filter": chosen,
                "value": float(value),
                "stderr": float(error) if isinstance(error, int | float) else None,
                "n": count,
                "higher_is_better": bool(higher.get(metric, True)),
            }
        )
    if not rows and subtask is None:
        raise DataError(f"{path}: task '{task}' has no score")
    return rows


def _cell(
    path: Path, stage: int, suite: str, task: str, rows: list[dict[str, Any]], metric: str | None
) -> Imported:
    own = [row for row in rows if row["subtask"] is None]
    names = [row["metric"] for row in own]
    if metric is not None and metric not in names:
        raise DataError(
            f"{path}: task '{task}' has no metric '{metric}'; it has {', '.join(names)}"
        )
    wanted = metric or next((name for name in HEADLINES if name in names), names[0])
    chosen = next(row for row in own if row["metric"] == wanted)
    return Imported(stage, suite, task, wanted, chosen["filter"], path, rows)
