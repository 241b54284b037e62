"""Result files of TRACE's reference code: `results-{round}-{task index}-{task}.json`.

Rounds and indices count from 0; a file holds {"eval", "prompts", "results", "labels"}. In-context
learning writes `<task>/results-<task>.json` instead. Predictions are scored again by our scorers,
the file's own "eval" is not read.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import DataError
from harness.evaluation.foreign import score_items, scoring_of
from harness.evaluation.prediction_file import read_predictions
from harness.results.importing.record import Imported, score_row

_STAGE = re.compile(r"results-(\d+)-(\d+)-(.+)\.json")
_ICL = re.compile(r"results-(?!\d+-\d+-)(.+)\.json")


def read_folder(
    folder: Path, order: Sequence[str] = (), reasoning: bool = False
) -> tuple[list[Imported], list[str], str]:
    """(cells, tasks in the order of training, schedule). Raises DataError naming what is wrong.

    order: the sequence's tasks, by which tasks without a place in training are ordered; those that
        it does not have come last.
    reasoning: answers give their reasoning first (RCL); only the answer in them is scored.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    files = sorted(folder.rglob("results-*.json"))
    staged = [(path, found) for path in files if (found := _STAGE.fullmatch(path.name))]
    shown = [(path, found[1]) for path in files if (found := _ICL.fullmatch(path.name))]
    if staged and shown:
        raise DataError(
            f"{folder}: results of rounds ({staged[0][0].name}) and in context "
            f"({shown[0][0].name}) are two runs; import each from a folder of its own"
        )
    if staged:
        return _stages(folder, staged, reasoning)
    if not shown:
        raise DataError(
            f"{folder}: no result file; they are called results-<round>-<index>-<task>.json, or "
            "results-<task>.json for in-context learning"
        )
    paths = {task: path for path, task in shown}
    if len(paths) < len(shown):
        double = next(path for path, task in shown if paths[task] != path)
        raise DataError(f"{double}: the task is there twice below {folder}; import one of them")
    places = {task: place for place, task in enumerate(order)}
    tasks = sorted(paths, key=lambda task: places.get(task, len(places)))
    return [_cell(paths[task], 0, task, reasoning) for task in tasks], tasks, "none"


def _stages(
    folder: Path, files: list[tuple[Path, re.Match[str]]], reasoning: bool
) -> tuple[list[Imported], list[str], str]:
    tasks: dict[int, str] = {}
    places: dict[tuple[int, int], Path] = {}
    for path, found in files:
        number, index, task = int(found[1]), int(found[2]), found[3]
        if tasks.setdefault(index, task) != task:
            raise DataError(f"{path}: task {index} is '{task}' here and '{tasks[index]}' elsewhere")
        if (number, index) in places:
            raise DataError(f"{path}: round {number} has task {index} twice")
        places[number, index] = path
    last = max(tasks)
    lacking = [i for i in range(last + 1) if i not in tasks]
    needed = [(last, i) for i in range(last + 1)] + [(i, i) for i in range(last)]
    missing = [
        f"results-{t}-{i}-{tasks.get(i, '?')}.json" for t, i in needed if (t, i) not in places
    ]
    if lacking or missing:
        raise DataError(f"{folder}: {', '.join(missing)} missing; OP and BWT need these cells")
    cells = [
        _cell(path, number + 1, tasks[index], reasoning) for (number, index), path in places.items()
    ]
    return cells, [tasks[i] for i in range(last + 1)], "sequential"


def _cell(path: Path, stage: int, task: str, reasoning: bool) -> Imported:
    scoring = scoring_of(f"reasoning/{task}" if reasoning else task)
    items = read_predictions(str(path))
    values = score_items(scoring, items, str(path))
    headline = scoring.headline or next(iter(values))
    rows = [score_row(metric, numbers) for metric, numbers in values.items()]
    predictions = [
        {
            "subtask": None,
            "item": index,
            "filter": "none",
            "target": item["answer"],
            "prediction": [item["prediction"]],
            "values": {metric: values[metric][index] for metric in values},
        }
        for index, item in enumerate(items)
    ]
    shots = 0 if stage else None  # a file in context does not tell its demonstrations
    return Imported(stage, "target", task, headline, "none", path, rows, predictions, shots)
