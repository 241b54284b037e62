"""Floors: what a model without skill scores, from the items themselves.

The floor of a metric is the best score that one reply earns which is the same for every item of
the benchmark, whatever is asked: the empty text, or the most frequent expected answer, bare or
behind a cue. Where all answers differ but begin with few characters (a letter and its reasons), the
most frequent of these stands for the answer. Of choices scored by likelihood it is what guessing
earns, or one choice throughout where all items have the same ones. So it is the share of the
majority class where answers are classes, and what the empty answer earns where they are texts
(SARI gives 20Minuten about a third for it).
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Item = dict[str, Any]
Items = Sequence[Item]
Reply = Callable[[Any, Items], dict[str, float]]  # a task and its items -> metric -> mean score

FRAMES = ("{}", "Answer:{}", "So the answer is {}.")
FEW_CHARACTERS = 10
OF_CHOICES = ("acc", "acc_norm", "acc_bytes")

log = logging.getLogger(__name__)


def floors(
    tasks: Mapping[str, Any], samples: Mapping[str, Items], by_items: bool = False
) -> dict[str, float]:
    """Metric -> floor of a benchmark, for lm-eval's tasks and the samples that it logged of them.

    by_items: subtasks count by their number of items, else equally. Metrics of which less is
    better, or that are no score in 0..1, have none; nor have tasks that neither choose nor
    generate, or that expect no particular text.
    """
    items = {name: _once(logged) for name, logged in samples.items()}
    total = sum(map(len, items.values()))
    weights = [len(some) / total if by_items else 1 / len(items) for some in items.values()]
    best: dict[str, float] = {}
    for reply in _replies(tasks, items):
        try:
            parts = [reply(tasks[name], some) for name, some in items.items()]
        except Exception as error:
            # Other people's scoring code, on a reply that no model gave: no reason to lose scores.
            log.warning("no floor for %s: %s: %s", ", ".join(tasks), type(error).__name__, error)
            return {}
        for metric in set.intersection(*map(set, parts)):
            score = math.fsum(w * part[metric] for w, part in zip(weights, parts, strict=True))
            best[metric] = max(score, best.get(metric, score))
    return {metric: score for metric, score in best.items() if 0.0 <= score <= 1.0}


def _once(samples: Items) -> list[Item]:
    """Every item once: lm-eval repeats them for every filter of a task."""
    return [item for item in samples if item["filter"] == samples[0]["filter"]]


def _replies(tasks: Mapping[str, Any], items: Mapping[str, Items]) -> Iterator[Reply]:
    kinds = {task.OUTPUT_TYPE for task in tasks.values()}
    if kinds == {"multiple_choice"}:
        yield _guess
        offered = [
            tasks[name].doc_to_choice(i["doc"]) for name, some in items.items() for i in some
        ]
        plain = not any(task.multiple_input for task in tasks.values())
        if plain and all(choices == offered[0] for choices in offered):
            yield from (_choice(position) for position in range(len(offered[0])))
    elif kinds == {"generate_until"}:
        answers = [_answer(tasks[n], item) for n, some in items.items() for item in some]
        known = [answer for answer in answers if answer]
        yield from (_text(text) for text in (_frequent(known) if known else ()))


def _guess(task: Any, items: Items) -> dict[str, float]:
    """One of the choices at random."""
    value = math.fsum(1 / len(task.doc_to_choice(item["doc"])) for item in items) / len(items)
    return {metric: value for metric in task.higher_is_better() if metric in OF_CHOICES}


def _choice(position: int) -> Reply:
    def scored(task: Any, items: Items) -> dict[str, float]:
        right = [
            _is_right(position, item["target"], task.doc_to_choice(item["doc"])) for item in items
        ]
        value = sum(right) / len(right)
        return {metric: value for metric in task.higher_is_better() if metric in OF_CHOICES}

    return scored


def _is_right(position: int, target: Any, choices: Sequence[str]) -> bool:
    accepted = target if isinstance(target, list) else [target]
    return position in accepted or choices[position] in accepted


def _answer(task: Any, item: Item) -> str:
    """The expected text, the first of several; of an index into choices its choice."""
    target = item["target"]
    first = next(iter(target), "") if isinstance(target, list) else target
    if isinstance(first, int) and task.config.doc_to_choice is not None:
        return str(task.doc_to_choice(item["doc"])[first])
    return str(first)


def _frequent(answers: Sequence[str]) -> Iterator[str]:
    """The empty text, and the answer or first character that occurs most often, in every frame."""
    yield ""
    starts = Counter(answer[0] for answer in answers)
    [(text, count)] = Counter(answers).most_common(1)
    if count == 1 and len(starts) <= FEW_CHARACTERS:
        [(text, count)] = starts.most_common(1)
    if count > 1:
        yield from (frame.replace("{}", text) for frame in FRAMES)


def _text(text: str) -> Reply:
    def scored(task: Any, items: Items) -> dict[str, float]:
        values = [task.process_results(item["doc"], [text]) for item in items]
        means, upward = task.aggregation(), task.higher_is_better()
        shared = [m for m, higher in upward.items() if higher and all(m in v for v in values)]
        return {metric: float(means[metric]([v[metric] for v in values])) for metric in shared}

    return scored
