"""Scorers: strict metrics as TRACE scores, lenient ones beside them."""

import pytest

from harness.scorers import extraction, reasoned
from harness.scorers import tasks as scorers


@pytest.mark.parametrize(
    ("prediction", "strict", "lenient"),
    [
        ("B", 1, 1),
        ("B\nBecause prices rise.", 0, 1),
        (" B", 0, 1),
        ("The stance is B.", 0, 1),
        ("I think B", 0, 1),
        ("A or so. Answer: B", 0, 1),
        ("A rise in rates is likely, so the answer is B", 0, 1),
        ("Answer:\nB", 0, 1),
        ("B is my answer:", 0, 1),
        ("B\n\nText: rates fall.\nAnswer: C", 0, 1),
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


REASON = "it is warm in the sun today"


@pytest.mark.parametrize(
    ("prediction", "right", "rouge", "right_lenient", "rouge_lenient"),
    [
        (f"B\n{REASON}", 1, 1, 1, 1),
        (f"B:{REASON}", 1, 1, 1, 1),
        (f"A\n{REASON}", 0, 1, 0, 1),
        (f"The answer is B. {REASON}", 0, 0, 1, 1),
        (f" B\n{REASON}", 0, 1, 1, 1),
        (f"{REASON}\nAnswer: B", 0, 1, 1, 1),
        ("B", 1, 0, 1, 0),
        ("Because", 1, 0, 1, 0),
        ("", 0, 0, 0, 0),
    ],
)
def test_choice_with_reason(prediction, right, rouge, right_lenient, rouge_lenient):
    scores = scorers.choice_with_reason({"answer": f"B\n{REASON}"}, prediction)
    assert (scores["accuracy"], scores["accuracy_lenient"]) == (right, right_lenient)
    if rouge_lenient:
        assert scores["rouge_l_lenient"] == pytest.approx(1.0, abs=1e-7)
        assert scores["bleu_4_lenient"] == pytest.approx(1.0)
    else:
        assert scores["rouge_l_lenient"] == scores["bleu_1_lenient"] == 0.0
    if prediction[1:] == f"\n{REASON}":
        assert scores["rouge_l"] == pytest.approx(1.0, abs=1e-7)
        assert scores["bleu_4"] == 1.0
    elif not rouge:
        assert scores["rouge_l"] < 0.9
        assert scores["bleu_4"] < 0.9


@pytest.mark.parametrize(
    ("answer", "prediction", "strict", "lenient"),
    [
        ("5", "5", 1, 1),
        ("5", "5.0", 0, 1),
        ("5", "2 + 3 = 5", 0, 1),
        ("5", "5 apples of 7", 0, 0),
        ("5", "Answer: 5\nNext question: 7", 0, 1),
        ("5", "5\nQuestion: 3 + 4\nAnswer: 7", 0, 1),
        ("5", "The answer is 5, not 6 or 7", 0, 0),
        ("5", "5 it is. Answer:", 0, 1),
        ("1000", "1,000", 0, 1),
        ("-3", "it is -3", 0, 1),
        ("2", "5-2", 0, 1),
        ("0.5", ".5", 0, 1),
        ("5", "-5", 0, 0),
        ("5", "", 0, 0),
        ("5", "five", 0, 0),
        ("August", "August", 1, 1),
        ("August", " august", 0, 1),
        ("August", "August.\nQuestion: which day?\nAnswer: Friday", 0, 1),
        ("August", "The answer is August.", 0, 1),
        ("August", "Not August", 0, 0),
        ("August", "8", 0, 0),
    ],
)
def test_number(answer, prediction, strict, lenient):
    scores = scorers.number({"answer": answer}, prediction)
    assert scores == {"accuracy": strict, "accuracy_lenient": lenient}


def test_code_line():
    doc = {"answer": "x = <NUM_LIT:5>"}
    assert set(scorers.code_line(doc, "x = 5").values()) == {1.0}
    scores = scorers.code_line(doc, "x = 6")
    assert (scores["edit_similarity"], scores["exact_match"]) == (0.8, 0.0)


def test_the_levenshtein_backend_differs_from_difflib():
    # difflib takes the longest block "bcd" and then finds nothing beside it; the longest common
    # subsequence of characters is "abcd" here too, but of "tide" and "diet" it is "de" or "ie".
    scores = scorers.code_line({"answer": "diet"}, "tide")
    assert scores["edit_similarity"] == 0.25
    assert scores["edit_similarity_levenshtein"] == 0.5


@pytest.mark.parametrize(
    "prediction",
    [
        *(" return x ", "return x <EOL> def f ( ) :", "<EOL> return x", "return x\nReasoning: y"),
        "return x\n\nNow the next line.",
    ],
)
def test_the_first_line_of_code_is_scored_leniently(prediction):
    scores = scorers.code_line({"answer": "return x "}, prediction)
    assert scores["exact_match"] == 0.0
    assert scores["exact_match_lenient"] == scores["edit_similarity_lenient"] == 1.0


def test_simplification_takes_the_whole_prompt_as_source():
    # Unigrams of "b": not to be kept (0), of the deletions "simplify" and "a" one is right (1/2),
    # nothing added or to be added (1). Bigrams: nothing to keep, deletions right, nothing to add;
    # so are longer ones. Without the instruction, no deletion of a unigram would be right.
    doc = {"prompt": "Simplify a b", "answer": "a"}
    keep, delete, add = 3 / 4, (1 / 2 + 3) / 4, 1.0
    expected = (keep + delete + add) / 3
    assert scorers.simplification(doc, "b")["sari"] == pytest.approx(expected)
    assert scorers.simplification(doc, "a")["rouge_l"] == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("scorer", [scorers.summary, scorers.simplification])
@pytest.mark.parametrize(
    "cue",
    [
        *("Answer: ", "The council met.\nSummary:\n", "simplification: "),
        "So. Therefore, the summary of the meeting transcripts is:\n",
    ],
)
def test_texts_are_found_behind_a_cue(scorer, cue):
    doc = {"prompt": "It said a b c d e f", "answer": "a b c d e\n"}
    bare, cued = scorer(doc, "a b c d e"), scorer(doc, f"{cue}a b c d e")
    for name in ("rouge_l", "bleu_1", "bleu_4"):
        assert cued[f"{name}_lenient"] == bare[f"{name}_lenient"] == pytest.approx(1.0, abs=1e-7)
        assert cued[name] < bare[name]


def test_a_cue_with_nothing_behind_it_or_inside_a_sentence_is_text():
    assert extraction.answer_text("a b\nAnswer:") == "a b\nAnswer:"
    assert extraction.answer_text(" They gave no answer: none. ") == "They gave no answer: none."


def test_summary_and_exact():
    assert set(scorers.summary({"answer": "a b"}, "c d").values()) == {0.0}
    assert scorers.exact({"answer": "Yes"}, "yes ") == {"accuracy": 0.0, "accuracy_lenient": 1.0}
    assert scorers.exact({"answer": "Yes"}, "Yes") == {"accuracy": 1.0, "accuracy_lenient": 1.0}


@pytest.mark.parametrize(
    ("scorer", "answer", "prediction", "strict", "lenient"),
    [
        (reasoned.reasoned_letter, "B", "Prices rise.\nAnswer:B", 1, 1),
        (reasoned.reasoned_letter, "B", "价格上涨。\n回答：B", 1, 1),  # noqa: RUF001
        (reasoned.reasoned_letter, "B", "Prices rise.\nAnswer: B", 0, 1),
        (reasoned.reasoned_letter, "B", "Prices rise, hence the Answer:B", 0, 1),
        (reasoned.reasoned_letter, "B", "B", 0, 1),
        (reasoned.reasoned_letter, "B", "Prices rise.\nAnswer:C", 0, 0),
        (reasoned.reasoned_letter, "B", "", 0, 0),
        (reasoned.reasoned_number, "5", "2 + 3 is 5.\nAnswer:5", 1, 1),
        (reasoned.reasoned_number, "5", "2 + 3 is 5.\nAnswer:5.0", 0, 1),
        (reasoned.reasoned_number, "5", "2 + 3 is 5", 0, 1),
        (reasoned.reasoned_number, "May", "It is in spring.\nAnswer:May", 1, 1),
        (reasoned.reasoned_letter, "B", "Whether the answer is A?\nNo.\nAnswer:B", 1, 1),
    ],
)
def test_reasoned_answers_are_cut_by_their_cue(scorer, answer, prediction, strict, lenient):
    scores = scorer({"answer": answer}, prediction)
    assert scores["accuracy"] == strict
    assert scores["accuracy_lenient"] == lenient


def test_reasoned_texts_are_cut_by_their_cue():
    doc = {"prompt": "a b c d e f", "answer": "a b c d e"}
    cue = "Therefore, the summary of the meeting transcripts is:\n"
    for name, before in (("summary", cue), ("simplification", "Answer:")):
        scorer, plain = getattr(reasoned, f"reasoned_{name}"), getattr(scorers, name)
        assert scorer(doc, f"They met.\n{before}a b c d e") == plain(doc, "a b c d e")
        bare = scorer(doc, "a b c d e")
        assert bare["rouge_l"] == 0.0, "without the cue there is no answer"
        assert bare["rouge_l_lenient"] > 0.999


def test_reasoned_code_comes_before_its_reasoning():
    doc = {"answer": "return x"}
    assert reasoned.reasoned_code_line(doc, "return x\nReasoning:It ends.")["exact_match"] == 1.0
    assert reasoned.reasoned_code_line(doc, "return x")["exact_match"] == 1.0
    assert reasoned.reasoned_code_line(doc, "return x Reasoning:It ends.")["exact_match"] == 0.0
