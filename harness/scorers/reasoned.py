"""Scorers for answers that come with their reasoning (TRACE's RCL data, arXiv 2310.06762).

Training answers of that data are a rationale, a cue and the answer (for code: the line, a cue and
the rationale), test answers the bare answer. The strict metrics cut the prediction by exactly that
cue and score what is left as the plain scorers do; without the cue there is no answer. The lenient
ones are those of the plain scorers, on the cut or on the whole prediction, whichever is better.
"""

import re
from collections.abc import Callable
from typing import Any

from harness.scorers import tasks as scorers

_ANSWER = re.compile(r"^(?:Answer:|回答\uff1a)", re.M)
_SUMMARY = re.compile(r"Therefore, the summary of the meeting transcripts is:\n")
_REASONING = "\nReasoning:"


def reasoned_letter(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score the letter behind "Answer:" (Chinese: 回答) at the start of a line."""
    return _scored(scorers.letter, doc, prediction, _behind(_ANSWER, prediction))


def reasoned_number(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score the number behind "Answer:" at the start of a line."""
    return _scored(scorers.number, doc, prediction, _behind(_ANSWER, prediction))


def reasoned_simplification(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score the simplification behind "Answer:" at the start of a line."""
    return _scored(scorers.simplification, doc, prediction, _behind(_ANSWER, prediction))


def reasoned_summary(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score the summary behind the sentence that announces it."""
    return _scored(scorers.summary, doc, prediction, _behind(_SUMMARY, prediction))


def reasoned_code_line(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score the code before "Reasoning:" at the start of a line, all of it where there is none."""
    return _scored(scorers.code_line, doc, prediction, prediction.partition(_REASONING)[0])


def _behind(cue: re.Pattern[str], text: str) -> str:
    found = cue.search(text)
    return text[found.end() :] if found else ""


def _scored(
    scorer: Callable[[dict[str, Any], str], dict[str, float]],
    doc: dict[str, Any],
    prediction: str,
    answer: str,
) -> dict[str, float]:
    whole = scorer(doc, prediction)
    return {
        name: max(value, whole[name]) if name.endswith(scorers.LENIENT) else value
        for name, value in scorer(doc, answer).items()
    }
