"""`harness score`: all scores of a task for predictions that were made elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from harness.compose import conf_dir
from harness.errors import ConfigError, DataError, suggest
from harness.files import write_json
from harness.methods.loading import load_object
from harness.metrics.arguments import Arguments
from harness.metrics.prediction_file import SHAPE, read_predictions

_DESCRIPTION = f"""\
Score predictions as an evaluation of the task would: one JSON object with the mean of every strict
and lenient metric, 0..1, and the name of the headline metric. The file is JSON:
{SHAPE}, strings, one per item; prompts are needed where the metric compares with the source
(20Minuten). The result files of TRACE's reference code are read as well."""


class Scoring(NamedTuple):
    """A scorer with the dotted path that found it, the task's name and headline metric if any."""

    scorer: Callable[[dict[str, Any], str], dict[str, float]]
    path: str
    task: str | None = None
    headline: str | None = None


def main(argv: list[str]) -> int:
    """Print the scores of a file of predictions; return 0, or raise a HarnessError."""
    options = _parser().parse_args(argv)
    scoring = scoring_of(options.task) if options.task else _of_path(options.scorer, "--scorer")
    items = score_items(scoring, read_predictions(options.predictions), options.predictions)
    if options.item_values:
        write_json(options.item_values, items)
    means = {name: math.fsum(values) / len(values) for name, values in items.items()}
    about = {
        "task": scoring.task,
        "scorer": scoring.path,
        "n": len(next(iter(items.values()))),
        "headline": scoring.headline or next(iter(items)),
    }
    print(json.dumps(about | means, indent=2, ensure_ascii=False, allow_nan=False))
    return 0


def score_items(
    scoring: Scoring, items: list[dict[str, Any]], place: str
) -> dict[str, list[float]]:
    """Return the values of every metric by name, one per item, in the order of the items.

    items: {"prediction", "answer"} and maybe "prompt". Raises DataError where the scorer wants more
    of an item than it has, ConfigError where it does not give metrics.
    """
    scores = [_score(scoring, index, item, place) for index, item in enumerate(items)]
    return {name: [float(values[name]) for values in scores] for name in scores[0]}


def _score(scoring: Scoring, index: int, item: dict[str, Any], place: str) -> dict[str, float]:
    try:
        scores = scoring.scorer(item, item["prediction"])
    except KeyError as error:
        who = f"task {scoring.task}" if scoring.task else scoring.path
        if error.args == ("prompt",):
            raise DataError(f"{place}: no 'prompts'; {who} compares with the source") from None
        raise DataError(f"{place}: {who} needs {error} of every item, which no file has") from None
    except TypeError as error:
        raise ConfigError(f"{scoring.path} is no scorer(doc, prediction): {error}") from None
    numbers = scores.values() if isinstance(scores, dict) else [None]
    if not scores or not all(isinstance(value, int | float) for value in numbers):
        raise ConfigError(f"{scoring.path}: gives {scores!r} for item {index}, not metric: value")
    return scores


def scoring_of(name: str) -> Scoring:
    """The scorer and headline of a task of the `task` group (conf/task/<name>.yaml)."""
    files = _task_files()
    if name not in files:
        raise ConfigError(f"--task: unknown task '{name}'" + suggest(name, sorted(files)))
    [task] = OmegaConf.load(files[name]).values()
    found = _of_path(task.scorer, f"task.{name}.scorer")
    return found._replace(task=name, headline=task.headline)


def _task_files() -> dict[str, Path]:
    folder = conf_dir() / "task"
    return {str(p.relative_to(folder).with_suffix("")): p for p in folder.rglob("*.yaml")}


def _of_path(path: str, where: str) -> Scoring:
    scorer = load_object(path, where)
    if not callable(scorer):
        raise ConfigError(f"{where}: {path} is no function scorer(doc, prediction)")
    return Scoring(scorer, path)


def _parser() -> Arguments:
    parser = Arguments(prog="harness score", description=_DESCRIPTION)
    parser.add_argument("predictions", metavar="FILE", help="JSON file; - reads standard input")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--task", help=f"one of {', '.join(sorted(_task_files()))}")
    what.add_argument("--scorer", help="dotted path of a scorer; its first metric is the headline")
    parser.add_argument(
        "--item-values", type=Path, metavar="OUT", help="write {metric: [value of every item]}"
    )
    return parser
