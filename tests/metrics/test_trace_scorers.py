"""Scorers: strict metrics as TRACE scores, lenient ones beside them."""

import pytest

from harness.metrics import scorers


@pytest.mark.parametrize(
    ("prediction", "strict", "lenient"),
    [
        ("B", 1, 1),
        ("B\nBecause prices rise.", 0, 1),
        (" B", 0, 1),
        ("The stance is B.", 0, 1),
        ("I think B", 0, 1),
        ("A or so. Answer: B", 0, 1),
        ("回答：B支持", 0, 1),  # noqa: RUF001
        ("选B", 0, 1),
        ("C", 0, 0),
        ("b", 0, 0),
        ("", 0, 0),
        ("Because", 0, 0),
    ],
)
def test_letter(prediction, strict, lenient):
    scores = scorers.letter({"answer": "B"}, prediction)
    assert scores == {"accuracy": strict, "accuracy_lenient": lenient}


def test_choice_with_reason():
    doc = {"answer": "B\nIt is warm"}
    assert scorers.choice_with_reason(doc, "B\nIt is warm")["accuracy"] == 1.0
    assert scorers.choice_with_reason(doc, "B\nIt is warm")["rouge_l"] > 0.999
    assert scorers.choice_with_reason(doc, "A\nIt is warm")["accuracy"] == 0.0
    assert scorers.choice_with_reason(doc, "B:It is warm")["rouge_l"] > 0.999
    assert scorers.choice_with_reason(doc, "B") == {"accuracy": 1.0, "rouge_l": 0.0}
    assert scorers.choice_with_reason(doc, "") == {"accuracy": 0.0, "rouge_l": 0.0}


@pytest.mark.parametrize(
    ("answer", "prediction", "strict", "lenient"),
    [
        ("5", "5", 1, 1),
        ("5", "5.0", 0, 1),
        ("5", "2 + 3 = 5", 0, 1),
        ("5", "5 apples of 7", 0, 0),
        ("5", "Answer: 5\nNext question: 7", 0, 1),
        ("1000", "1,000", 0, 1),
        ("-3", "it is -3", 0, 1),
        ("2", "5-2", 0, 1),
        ("0.5", ".5", 0, 1),
        ("5", "-5", 0, 0),
        ("5", "", 0, 0),
        ("5", "five", 0, 0),
        ("August", "August", 1, 1),
        ("August", " august", 0, 1),
        ("August", "8", 0, 0),
    ],
)
def test_number(answer, prediction, strict, lenient):
    scores = scorers.number({"answer": answer}, prediction)
    assert scores == {"accuracy": strict, "accuracy_lenient": lenient}


def test_code_line():
    doc = {"answer": "x = <NUM_LIT:5>"}
    assert scorers.code_line(doc, "x = 5") == {"edit_similarity": 1.0, "exact_match": 1.0}
    assert scorers.code_line(doc, "x = 6") == {"edit_similarity": 0.8, "exact_match": 0.0}


def test_simplification_takes_the_whole_prompt_as_source():
    # Unigrams of "b": not to be kept (0), of the deletions "simplify" and "a" one is right (1/2),
    # nothing added or to be added (1). Bigrams: nothing to keep, deletions right, nothing to add;
    # so are longer ones. Without the instruction, no deletion of a unigram would be right.
    doc = {"prompt": "Simplify a b", "answer": "a"}
    keep, delete, add = 3 / 4, (1 / 2 + 3) / 4, 1.0
    expected = (keep + delete + add) / 3
    assert scorers.simplification(doc, "b")["sari"] == pytest.approx(expected)
    assert scorers.simplification(doc, "a")["rouge_l"] == pytest.approx(1.0, abs=1e-7)


def test_summary_and_exact():
    assert scorers.summary({"answer": "a b"}, "c d") == {"rouge_l": 0.0}
    assert scorers.exact({"answer": "Yes"}, "yes ") == {"accuracy": 0.0, "accuracy_lenient": 1.0}
    assert scorers.exact({"answer": "Yes"}, "Yes") == {"accuracy": 1.0, "accuracy_lenient": 1.0}
