"""F1 of words between a predicted and an accepted answer, as SQuAD 1.1 defines it.

The gold-passage task of TyDi QA (arXiv 2003.05002) is scored by that rule in every language: lower
case, ASCII punctuation removed, the English articles removed, words split at white space.
"""

import re
import string
from collections import Counter

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def normalised(text: str) -> str:
    """A text as SQuAD 1.1 compares it."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def token_f1(prediction: str, reference: str) -> float:
    """Harmonic mean of precision and recall over normalised words, in 0..1; 0 without a common
    word, also where both are empty."""
    found, expected = normalised(prediction).split(), normalised(reference).split()
    common = sum((Counter(found) & Counter(expected)).values())
    if common == 0:
        return 0.0
    return 2 * common / (len(found) + len(expected))
