"""The scorers of the TRACE tasks in the form that lm-eval calls."""

from collections.abc import Callable
from typing import Any

from harness.scorers import tasks as scorers

Scores = dict[str, float]


def _of(scorer: Callable[[dict[str, Any], str], Scores]) -> Callable[..., Scores]:
    return lambda doc, results: scorer(doc, results[0])


letter = _of(scorers.letter)
number = _of(scorers.number)
summary = _of(scorers.summary)
code_line = _of(scorers.code_line)
choice_with_reason = _of(scorers.choice_with_reason)
simplification = _of(scorers.simplification)
