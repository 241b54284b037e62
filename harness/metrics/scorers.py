"""Scorers: `scorer(doc, prediction) -> {metric: value in 0..1}`, one function for a task format.

`doc` holds `answer` (the expected text) and, for simplification, `prompt`. A task names its scorer
by dotted path. Strict metrics follow TRACE (arXiv 2310.06762); the lenient ones beside them tell
forgotten knowledge from a forgotten answer format, and are never the headline.
"""

from __future__ import annotations

import re
from typing import Any

from harness.metrics.edit_similarity import edit_similarity, restore_literals
from harness.metrics.exact import exact_match, folded_match
from harness.metrics.rouge_l import rouge_l
from harness.metrics.sari import sari

_ANSWER_CUE = re.compile(r"(?:answer|回答|答案)\s*[:\uff1a]\s*", re.IGNORECASE)
# "I" is an English word far more often than it is a choice.
_CHOICE = re.compile(r"(?<![A-Za-z])[A-HJ-Z](?![A-Za-z])")
_NUMBER = re.compile(r"(?:(?<!\d)[-\u2212])?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)")


def letter(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score one choice letter.

    `accuracy_lenient` takes the first capital letter A-Z (except I) that stands alone, after the
    first "Answer:" (also 回答, 答案) if there is one.
    """
    return {
        "accuracy": exact_match(prediction, doc["answer"]),
        "accuracy_lenient": exact_match(_first_choice(prediction), doc["answer"].strip()),
    }


def choice_with_reason(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a letter, one separator and a reason: the first character, and ROUGE-L from the third.

    An empty prediction is wrong and its reason scores 0 (TRACE's implementation fails on it).
    """
    answer = doc["answer"]
    return {
        "accuracy": exact_match(prediction[:1], answer[:1]),
        "rouge_l": rouge_l(prediction[2:], answer[2:]),
    }


def number(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a number.

    `accuracy_lenient` compares values (5 = 5.0, 1,000 = 1000): the last number of the text, or of
    the line after the first "Answer:" if there is one. An expected answer that is not a number
    (NumGLUE holds a few names) is compared after stripping and case folding.
    """
    return {
        "accuracy": exact_match(prediction, doc["answer"]),
        "accuracy_lenient": _same_number(prediction, doc["answer"]),
    }


def summary(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a summary by ROUGE-L."""
    return {"rouge_l": rouge_l(prediction, doc["answer"])}


def code_line(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a line of code by edit similarity, and by equality of the restored lines."""
    answer = doc["answer"]
    return {
        "edit_similarity": edit_similarity(prediction, answer),
        "exact_match": exact_match(restore_literals(prediction), restore_literals(answer)),
    }


def simplification(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a simplification by SARI, whose source is the whole prompt as in TRACE, and ROUGE-L."""
    return {
        "sari": sari(doc["prompt"], prediction, [doc["answer"]]),
        "rouge_l": rouge_l(prediction, doc["answer"]),
    }


def exact(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score any text by equality; `accuracy_lenient` strips white space and folds case."""
    return {
        "accuracy": exact_match(prediction, doc["answer"]),
        "accuracy_lenient": folded_match(prediction, doc["answer"]),
    }


def _after_cue(text: str) -> str | None:
    cue = _ANSWER_CUE.search(text)
    return text[cue.end() :] if cue else None


def _first_choice(text: str) -> str:
    cued = _after_cue(text)
    choice = _CHOICE.search(text if cued is None else cued)
    return choice.group() if choice else ""


def _same_number(prediction: str, answer: str) -> float:
    expected = _NUMBER.fullmatch(answer.strip())
    if expected is None:
        return folded_match(prediction, answer)
    cued = _after_cue(prediction)
    numbers = _NUMBER.findall(prediction if cued is None else cued.partition("\n")[0])
    return float(bool(numbers) and _value(numbers[-1]) == _value(expected.group()))


def _value(digits: str) -> float:
    return float(digits.replace(",", "").replace("\u2212", "-"))
