"""Scores of predictions that were made elsewhere."""

from collections.abc import Callable
from typing import NamedTuple

from omegaconf import OmegaConf

from harness.config.parts import Kind, load_part
from harness.config.places import option_files, refuse_clashes
from harness.config.plugins import broken
from harness.errors import ConfigError, DataError, suggest
from harness.evaluation.item_scores import wrong_item


class Scoring(NamedTuple):
    """A scorer, the name or path that found it, the task's name and headline metric if any."""

    scorer: Callable[[dict[str, str], str], dict[str, float]]
    path: str
    task: str | None = None
    headline: str | None = None


def score_items(
    scoring: Scoring, items: list[dict[str, str]], place: str
) -> dict[str, list[float]]:
    """Return the values of every metric by name, one per item, in the order of the items.

    items: {"prediction", "answer"} and maybe "prompt". Raises DataError where the scorer wants more
    of an item than it has, ConfigError where it does not give the same metrics, in 0..1, for all.
    """
    scores: list[dict[str, float]] = []
    for index, item in enumerate(items):
        found = _score(scoring, item, place)
        problem = wrong_item(found, metrics=set(scores[0]) if scores else None)
        if problem:
            raise ConfigError(f"scorer {scoring.path}, item {index}: {problem}")
        scores.append(found)
    return {name: [float(values[name]) for values in scores] for name in scores[0]}


def _score(scoring: Scoring, item: dict[str, str], place: str) -> dict[str, float]:
    try:
        return scoring.scorer(item, item["prediction"])
    except KeyError as error:
        who = f"task {scoring.task}" if scoring.task else scoring.path
        if error.args == ("prompt",):
            raise DataError(f"{place}: no 'prompts'; {who} compares with the source") from None
        raise DataError(f"{place}: {who} needs {error} of every item, which no file has") from None
    except TypeError as error:
        raise ConfigError(f"{scoring.path} is no scorer(doc, prediction): {error}") from None


def scoring_of(name: str) -> Scoring:
    """The scorer and headline of a task of the `task` group (conf/task/<name>.yaml)."""
    files = option_files("task", [])
    if name not in files:
        raise ConfigError(
            f"--task: unknown task '{name}'" + suggest(name, sorted(files)) + broken()
        )
    refuse_clashes([f"task/{name}"], [])
    [task] = OmegaConf.load(files[name]).values()
    found = scoring_at(task.scorer, f"task.{name}.scorer")
    return found._replace(task=name, headline=task.headline)


def scoring_at(path: str, where: str) -> Scoring:
    """A scorer by its name or path; `where` says who names it. Raises ConfigError."""
    scorer = load_part(path, where, Kind.scorer)
    if not callable(scorer):
        raise ConfigError(f"{where}: {path} is no function scorer(doc, prediction)")
    return Scoring(scorer, path)
