"""The scores of single items, looked at before anything takes a mean of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from reprlib import repr as short
from typing import Any

from harness.errors import StageFailed
from harness.store.scores import SCORE_UNIT, misfit


def wrong_item(
    scores: object,
    unit: str | None = SCORE_UNIT,
    metrics: Collection[str] | None = None,
    pooled: Collection[str] = (),
) -> str | None:
    """What is wrong with what a scorer gave for one item, as the end of a sentence; null if
    nothing is.

    unit: of the values. metrics: the names that it gave for other items; null = any. pooled: those
    whose values may be anything, since something else than a mean is made of them.
    """
    if not isinstance(scores, Mapping) or not scores:
        return f"gives {short(scores)}, it must give {{metric: value}}"
    for metric, value in scores.items():
        problem = None if metric in pooled else misfit(value, unit)
        if problem:
            return f"gives {metric}={short(value)}, which is {problem}"
    if metrics is not None and set(scores) != set(metrics):
        return f"gives {_listed(scores)}, but {_listed(metrics)} for item 0; every item needs all"
    return None


@contextmanager
def checked_items(tasks: Mapping[str, Any], name: str, scorer: str, unit: str) -> Iterator[None]:
    """While lm-eval scores these tasks of a benchmark, look at what `scorer` gives for each item.

    Raises StageFailed, from where lm-eval asks for scores, naming scorer, item and value.
    """
    for task in tasks.values():
        task.process_results = _Watched(task, name, scorer, unit)
    try:
        yield
    finally:
        for task in tasks.values():
            del task.process_results


class _Watched:
    """A task's process_results with a look at each result."""

    def __init__(self, task: Any, name: str, scorer: str, unit: str) -> None:
        from lm_eval.api.metrics import mean

        self.pooled = {metric for metric, rule in task.aggregation().items() if rule is not mean}
        self.task, self.unit = task, unit
        self.who = f"{name}: scorer {scorer}"
        self.score = task.process_results
        self.calls = 0
        self.metrics: set[str] | None = None

    def __call__(self, doc: dict[str, Any], results: list[Any]) -> dict[str, Any]:
        # lm-eval asks for all items, by their number, once per filter of the task.
        item = self.calls % len({instance.doc_id for instance in self.task.instances})
        self.calls += 1
        try:
            scores = self.score(doc, results)
        except Exception as error:
            raise StageFailed(
                f"{self.who} fails on item {item}: {type(error).__name__}: {error}"
            ) from error
        problem = wrong_item(scores, self.unit, self.metrics, self.pooled)
        if problem:
            raise StageFailed(f"{self.who}, item {item}: {problem}")
        self.metrics = self.metrics or set(scores)
        return scores


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, names)))
