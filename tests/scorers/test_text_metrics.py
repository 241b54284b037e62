"""Text metrics against published values, the packages they must equal, and values by hand."""

import math
import random
import subprocess
import sys

import pytest

from harness.scorers.bleu import bleu
from harness.scorers.edit_similarity import edit_similarity, restore_literals
from harness.scorers.exact import exact_match, folded_match
from harness.scorers.rouge_l import rouge_l
from harness.scorers.sari import sari


@pytest.mark.parametrize(
    ("prediction", "reference", "strict", "folded"),
    [
        ("B", "B", 1, 1),
        ("B ", "B", 0, 1),
        ("\nb", "B", 0, 1),
        ("", "", 0, 0),
        ("", "B", 0, 0),
        ("BC", "B", 0, 0),
    ],
)
def test_equality_strict_and_folded(prediction, reference, strict, folded):
    assert exact_match(prediction, reference) == strict
    assert folded_match(prediction, reference) == folded


def test_rouge_l_by_hand():
    # Common subsequence "the cat": 2 of 3 distinct words against 2 of 4.
    expected = 2 * (2 / 3 * 2 / 4) / (2 / 3 + 2 / 4)
    assert rouge_l("the cat sat", "the cat ran away") == pytest.approx(expected, abs=1e-7)
    assert rouge_l("The cat", "the cat") == pytest.approx(0.5, abs=1e-7), "case is kept"
    assert rouge_l("a a a a", "a") == pytest.approx(1.0, abs=1e-7), "words count once"


@pytest.mark.parametrize("empty", ["", ".", "...", "  "])
def test_rouge_l_of_a_text_without_words_is_zero(empty):
    assert rouge_l(empty, "some words") == 0.0
    assert rouge_l("some words", empty) == 0.0


def test_rouge_l_scores_a_thousand_equal_words():
    text = "word " * 1000
    assert rouge_l(text, text) == pytest.approx(1.0, abs=1e-7)
    # One distinct word of two is shared: recall 1/2 or 1, precision the other.
    assert rouge_l(text, "word other") == pytest.approx(2 / 3, abs=1e-7)


def test_rouge_l_equals_the_rouge_package_bit_for_bit():
    package = pytest.importorskip("rouge", reason="the package that TRACE scores with")
    scorer = package.Rouge(metrics=["rouge-l"])
    draw = random.Random(0)
    compared = 0
    for _ in range(2000):
        prediction, reference = _text(draw), _text(draw)
        if not prediction.strip(".") or not reference.strip("."):
            continue
        # TRACE passes the reference first.
        expected = scorer.get_scores(reference, prediction, avg=True)["rouge-l"]["f"]
        assert rouge_l(prediction, reference) == expected, (prediction, reference)
        compared += 1
    assert compared > 1500


def _text(draw: random.Random) -> str:
    words = draw.choice(["a b", "a b c A", "der die das und"]).split()
    ends = [" ", " ", " ", ". ", ".", "\n"]
    return "".join(draw.choice(words) + draw.choice(ends) for _ in range(draw.randint(0, 12)))


def test_bleu_by_hand():
    # Five of six words are shared and three of five pairs, in texts of equal length.
    scores = bleu("the cat sat on a mat", "the cat sat on the mat")
    assert scores["bleu_1"] == pytest.approx(5 / 6)
    triples, fours = 2 / 4, 1 / 3
    assert scores["bleu_4"] == pytest.approx((5 / 6 * 3 / 5 * triples * fours) ** (1 / 4))
    # Half the length of the reference: brevity penalty exp(1 - 2).
    assert bleu("a b", "a b c d")["bleu_1"] == pytest.approx(math.exp(-1))


def test_bleu_splits_at_white_space_and_periods_and_keeps_case():
    assert bleu("A b.c\n d .", "A b c. d")["bleu_4"] == pytest.approx(1.0)
    assert bleu("a b c d", "A B C D") == {"bleu_1": 0.0, "bleu_4": 0.0}


def test_bleu_of_fewer_than_four_words_vanishes():
    scores = bleu("a b c", "a b c")
    assert scores["bleu_1"] == 1.0
    assert 0 < scores["bleu_4"] < 1e-70


@pytest.mark.parametrize("empty", ["", ".", " ", "\n."])
def test_bleu_of_a_text_without_words_is_zero(empty):
    assert bleu(empty, "some words") == {"bleu_1": 0.0, "bleu_4": 0.0}
    assert bleu("some words", empty) == {"bleu_1": 0.0, "bleu_4": 0.0}


SOURCE = "About 95 species are currently accepted ."
REFERENCES = [
    "About 95 species are currently known .",
    "About 95 species are now accepted .",
    "95 species are now accepted .",
]


def test_sari_equals_the_published_example():
    value = sari(SOURCE, "About 95 you now get in .", REFERENCES)
    assert 100 * value == pytest.approx(26.953601953601954, abs=1e-12)


def test_sari_by_hand():
    # Unigrams: a kept rightly; b deleted rightly; c added rightly. Bigrams: nothing kept or
    # keepable (0/0 = 1), "a b" deleted, "a c" added. Trigrams and 4-grams: 0/0 everywhere.
    assert sari("a b", "a c", ["a c"]) == pytest.approx(1.0)
    # Copying the source: keeps a (1 of 1) and b wrongly (keep: precision 1/2, recall 1, F1 2/3),
    # deletes nothing (1), misses c (add: precision 0/0 = 1, recall 0, F1 0). Bigrams: keep has
    # precision 0/1 and recall 0/0 = 1 (F1 0), delete 1, add 0; longer n-grams give 1 each.
    keep, delete, add = (2 / 3 + 0 + 1 + 1) / 4, 1.0, (0 + 0 + 1 + 1) / 4
    assert sari("a b", "a b", ["a c"]) == pytest.approx((keep + delete + add) / 3)


def test_sari_lowers_case_and_tokenises_punctuation():
    assert sari("Ein Satz.", "ein satz .", ["EIN SATZ."]) == pytest.approx(1.0)


def test_sari_of_an_empty_prediction_is_defined():
    # Unigrams: a not kept (0), one of two deletions right (1/2), an empty word added (0). Bigrams:
    # nothing to keep (1), deletion right (1), "a c" not added (0). Longer ones: 1 each.
    keep, delete, add = (0 + 1 + 1 + 1) / 4, (1 / 2 + 1 + 1 + 1) / 4, (0 + 0 + 1 + 1) / 4
    assert sari("a b", "", ["a c"]) == pytest.approx((keep + delete + add) / 3)


def test_edit_similarity_is_the_documented_asymmetric_ratio():
    # The two values that the documentation of difflib prints.
    assert edit_similarity("tide", "diet") == 0.25
    assert edit_similarity("diet", "tide") == 0.5


def test_edit_similarity_rounds_to_whole_percents():
    assert edit_similarity("abc", "abxc") == 0.86  # 2 * 3 / 7 = 0.857...
    assert edit_similarity("abcd", "bcde") == 0.75


@pytest.mark.parametrize(
    ("code", "restored"),
    [
        ("x = <NUM_LIT>", "x = 0"),
        ("x = <NUM_LIT:5>", "x = 5"),
        ("f ( <STR_LIT> , <CHAR_LIT> )", "f (  ,  )"),
        ("f ( <STR_LIT:a b> )", "f ( a b )"),
        ("<STR_LIT:\n>x<NUM_LIT:1>", "\nx1"),
    ],
)
def test_literals_are_restored(code, restored):
    assert restore_literals(code) == restored


def test_edit_similarity_restores_both_sides_and_scores_nothing_for_empty_ones():
    assert edit_similarity("x = <NUM_LIT:5>", "x = 5") == 1.0
    assert edit_similarity("", "x") == 0.0
    assert edit_similarity("<STR_LIT>", "<STR_LIT>") == 0.0


def test_text_metrics_do_not_load_a_deep_learning_library():
    code = (
        "import sys, harness.scorers.tasks, harness.cli.tables;"
        "print([m for m in ('torch', 'transformers', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
