"""Scorers: `scorer(doc, prediction) -> {metric: value in 0..1}`, one function for a task format.

`doc` holds `answer` (the expected text) and, for simplification, `prompt`. A task names its scorer
as the function is called. Strict metrics follow TRACE (arXiv 2310.06762). Beside each stands a
lenient one, `<metric>_lenient`, on the answer that `harness.scorers.extraction` finds in the
prediction: it tells forgotten knowledge from a forgotten answer format, and is never the headline.
A prediction that a strict accuracy accepts, its lenient one accepts too.
"""

from typing import Any

from harness.scorers import final_answer
from harness.scorers.bleu import bleu
from harness.scorers.edit_similarity import (
    edit_similarity,
    edit_similarity_levenshtein,
    restore_literals,
)
from harness.scorers.exact import exact_match, folded_match
from harness.scorers.extraction import (
    answer_text,
    choice,
    first_line,
    last_number,
    number_value,
    short_answers,
)
from harness.scorers.final_answer import same_number
from harness.scorers.rouge_l import rouge_l
from harness.scorers.sari import sari

LENIENT = "_lenient"


def letter(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score one choice letter by equality."""
    right = exact_match(prediction, doc["answer"])
    found = choice(prediction).letter
    return {
        "accuracy": right,
        "accuracy_lenient": max(right, exact_match(found, doc["answer"].strip())),
    }


def choice_with_reason(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a letter, one separator and a reason: the first character by equality, the text from
    the third on by ROUGE-L and BLEU.

    An empty prediction is wrong and its reason scores 0 (TRACE's implementation fails on it).
    """
    answer = doc["answer"]
    found = choice(prediction)
    right = exact_match(prediction[:1], answer[:1])
    return {
        "accuracy": right,
        **_overlap(prediction[2:], answer[2:]),
        "accuracy_lenient": max(right, exact_match(found.letter, answer[:1])),
        **_lenient(_overlap(found.reason, answer[2:].strip())),
    }


def number(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a number by equality of the texts.

    `accuracy_lenient` compares values (5 = 5.0, 1,000 = 1000). An expected answer that is not a
    number (NumGLUE holds a few names) is compared after stripping and case folding.
    """
    answer = doc["answer"]
    expected = number_value(answer)
    if expected is None:
        lenient = max(folded_match(found, answer) for found in short_answers(prediction))
    else:
        lenient = float(last_number(prediction) == expected)
    return {"accuracy": exact_match(prediction, answer), "accuracy_lenient": lenient}


def final_number(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score reasoning by its final number, compared by value: the last one of the text, or, for
    `accuracy_lenient`, that or the one behind "the answer is". An expected answer that is no
    number is compared after stripping and case folding."""
    answer = doc["answer"]
    if number_value(answer) is None:
        same = folded_match(prediction, answer)
        return {"accuracy": same, "accuracy_lenient": same}
    last = same_number(final_answer.last_number(prediction), answer)
    cued = same_number(final_answer.cued_number(prediction), answer)
    return {"accuracy": last, "accuracy_lenient": max(last, cued)}


def summary(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a summary by ROUGE-L and BLEU."""
    answer = doc["answer"]
    return {
        **_overlap(prediction, answer),
        **_lenient(_overlap(answer_text(prediction), answer.strip())),
    }


def code_line(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a line of code by edit similarity, and by equality of the restored lines.

    The strict scores take the whole prediction, however many lines it has, as TRACE does.
    """
    answer = doc["answer"]
    return {
        **_code_likeness(prediction, answer),
        **_lenient(_code_likeness(first_line(prediction), answer.strip())),
    }


def simplification(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a simplification by SARI, whose source is the whole prompt as in TRACE, and by ROUGE-L
    and BLEU."""
    prompt, answer, found = doc["prompt"], doc["answer"], answer_text(prediction)
    return {
        "sari": sari(prompt, prediction, [answer]),
        **_overlap(prediction, answer),
        "sari_lenient": sari(prompt, found, [answer]),
        **_lenient(_overlap(found, answer.strip())),
    }


def exact(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score any text by equality; `accuracy_lenient` strips white space and folds case."""
    return {
        "accuracy": exact_match(prediction, doc["answer"]),
        "accuracy_lenient": folded_match(prediction, doc["answer"]),
    }


def _overlap(prediction: str, answer: str) -> dict[str, float]:
    return {"rouge_l": rouge_l(prediction, answer), **bleu(prediction, answer)}


def _code_likeness(prediction: str, answer: str) -> dict[str, float]:
    return {
        "edit_similarity": edit_similarity(prediction, answer),
        "edit_similarity_levenshtein": edit_similarity_levenshtein(prediction, answer),
        "exact_match": exact_match(restore_literals(prediction), restore_literals(answer)),
    }


def _lenient(scores: dict[str, float]) -> dict[str, float]:
    return {f"{name}{LENIENT}": value for name, value in scores.items()}
