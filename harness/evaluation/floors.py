"""Floors: what a model without skill scores, from the items themselves.

The floor of a metric is the best mean score of one answer given to every item, whatever is asked:
the empty text, the most frequent expected answer or its most frequent first character; of choices,
one position throughout. So it is the share of the majority class where answers are classes, and
what an empty answer earns where they are texts (SARI gives 20Minuten about a third for it).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Item = dict[str, Any]
Answer = Callable[[Item], list[Any]]


def task_floors(
    tasks: Mapping[str, Any], samples: Mapping[str, Sequence[Item]]
) -> dict[str, dict[str, float]]:
    """Task -> metric -> floor, for lm-eval's tasks and the samples that it logged of them."""
    return {name: floors(tasks[name], _once(items)) for name, items in samples.items()}


def _once(samples: Sequence[Item]) -> list[Item]:
    """Every item once: lm-eval repeats them for every filter of a task."""
    return [item for item in samples if item["filter"] == samples[0]["filter"]]


def floors(task: Any, items: Sequence[Item]) -> dict[str, float]:
    """Metric -> floor of an lm-eval task on items {doc, target}; only metrics of which more is
    better, and empty for tasks that neither choose nor generate."""
    answers = _blind_answers(task, items)
    upward = [name for name, higher in task.higher_is_better().items() if higher]
    means = task.aggregation()
    found: dict[str, float] = {}
    for answer in answers:
        scored = [task.process_results(item["doc"], answer(item)) for item in items]
        for metric in upward:
            if all(metric in values for values in scored):
                value = float(means[metric]([values[metric] for values in scored]))
                found[metric] = max(value, found.get(metric, value))
    return found


def _blind_answers(task: Any, items: Sequence[Item]) -> list[Answer]:
    """Functions from an item to the replies that lm-eval's scoring takes for it."""
    if task.OUTPUT_TYPE == "multiple_choice":
        widest = max(len(task.doc_to_choice(item["doc"])) for item in items)
        return [_position(task, position) for position in range(widest)]
    if task.OUTPUT_TYPE == "generate_until":
        return [_text(text) for text in _frequent([item["target"] for item in items])]
    return []


def _position(task: Any, position: int) -> Answer:
    """The choice at a position, or the last one, as likelihoods (value, is greedy)."""

    def replies(item: Item) -> list[tuple[float, bool]]:
        count = len(task.doc_to_choice(item["doc"]))
        chosen = min(position, count - 1)
        return [(0.0 if i == chosen else -1.0, i == chosen) for i in range(count)]

    return replies


def _text(text: str) -> Answer:
    return lambda item: [text]


def _frequent(targets: Sequence[Any]) -> list[str]:
    """The empty text, the target and the first character that occur most often, twice at least."""
    texts = [target for target in targets if isinstance(target, str) and target]
    answers = [""]
    for counts in (Counter(texts), Counter(text[0] for text in texts)):
        answers += [text for text, count in counts.most_common(1) if count > 1]
    return list(dict.fromkeys(answers))
