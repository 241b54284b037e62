"""Sentence BLEU as TRACE computes it for summaries, simplifications and reasons."""

import re
import warnings

_BETWEEN_WORDS = re.compile(r"[\s.]+")
_BLEU_1, _BLEU_4 = (1.0,), (0.25, 0.25, 0.25, 0.25)


def bleu(prediction: str, reference: str) -> dict[str, float]:
    """Return `bleu_1` and `bleu_4` in 0..1 of one prediction (TRACE averages them over items).

    BLEU (Papineni et al., ACL 2002) with one reference and without smoothing, by nltk. White space
    and periods separate words and are dropped; case and other punctuation stay. Where no n-gram of
    some order is shared, nltk puts the smallest float in place of that precision, so that texts of
    fewer than four words have a BLEU-4 of about 1e-77 even if they are equal. A side without words
    scores 0.0.
    """
    predicted, expected = _words(prediction), _words(reference)
    if not predicted or not expected:
        return {"bleu_1": 0.0, "bleu_4": 0.0}
    # nltk imports scipy, which takes a second that only those who score text should pay.
    from nltk.translate.bleu_score import sentence_bleu

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nltk warns of every text without a shared 4-gram
        first, fourth = sentence_bleu([expected], predicted, [_BLEU_1, _BLEU_4])
    return {"bleu_1": float(first), "bleu_4": float(fourth)}


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN_WORDS.split(text) if word]
