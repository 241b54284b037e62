"""SQuAD 1.1's F1 against values by hand and, in English, against lm-eval's TyDi QA scorer."""

import pytest

from harness.scorers.token_f1 import normalised, token_f1


@pytest.mark.parametrize(
    ("prediction", "reference", "f1"),
    [
        ("The Eiffel Tower!", "eiffel tower", 1.0),
        ("in 1889", "1889", 2 / 3),  # precision 1/2, recall 1
        ("green green tree", "green tree house", 2 / 3),  # 2 common of 3 and 3
        ("", "x", 0.0),
        ("", "", 0.0),
        ("the", "a", 0.0),  # nothing is left of either
        ("x-ray", "xray", 1.0),  # punctuation goes, its neighbours join
        ("১৯৭১ সালে", "১৯৭১", 2 / 3),
    ],
)
def test_by_hand(prediction: str, reference: str, f1: float) -> None:
    assert token_f1(prediction, reference) == pytest.approx(f1)


def test_normalisation_knows_ascii_punctuation_and_english_articles() -> None:
    assert normalised("The  THEATRE, a «club» (an inn)") == "theatre «club» inn"


def test_english_equals_lm_eval() -> None:
    from lm_eval.tasks.tydiqa.utils import f1_score

    texts = ["Wound care", "the wound, and its care", "Amos and Wilfrid Ayre", "1.3 square feet"]
    for prediction in texts:
        for reference in texts:
            found = token_f1(prediction, reference)
            assert found == pytest.approx(f1_score(prediction, reference, "en"))
