"""Edit similarity of one line of code, as TRACE and CodeXGLUE score Py150."""

import re
from difflib import SequenceMatcher

from rapidfuzz import fuzz

_BARE_LITERALS = {"<NUM_LIT>": "0", "<STR_LIT>": "", "<CHAR_LIT>": ""}
_VALUED_LITERAL = re.compile(r"<(?:STR|NUM|CHAR)_LIT:(.*?)>", re.DOTALL)


def edit_similarity(prediction: str, reference: str) -> float:
    """Return the similarity of two lines in 0..1, in steps of 0.01.

    Literals are restored on both sides, then difflib's ratio is rounded to whole percents: the
    `fuzz.ratio` of fuzzywuzzy 0.18 without python-Levenshtein, which is what TRACE's requirements
    install (arXiv 2310.06762). The Levenshtein backend gives other numbers (about one point on
    Py150), see `edit_similarity_levenshtein`. If either side is empty after restoring, the score is
    0.0, as in TRACE.
    """
    predicted, expected = restore_literals(prediction), restore_literals(reference)
    if not predicted or not expected:
        return 0.0
    # The arguments stay in this order: difflib's ratio is not symmetric.
    return round(100 * SequenceMatcher(None, predicted, expected).ratio()) / 100


def edit_similarity_levenshtein(prediction: str, reference: str) -> float:
    """Return the same similarity by the Levenshtein backend of `fuzz.ratio`.

    Twice the longest common subsequence of characters over the sum of the lengths, in whole
    percents, by rapidfuzz: what the same code gives where python-Levenshtein is installed.
    """
    predicted, expected = restore_literals(prediction), restore_literals(reference)
    if not predicted or not expected:
        return 0.0
    return round(fuzz.ratio(predicted, expected)) / 100


def restore_literals(code: str) -> str:
    """Replace `<NUM_LIT>` by 0, bare string and char markers by nothing, `<X_LIT:v>` by v."""
    for marker, text in _BARE_LITERALS.items():
        code = code.replace(marker, text)
    restored = code
    for literal in _VALUED_LITERAL.finditer(code):
        # Every occurrence at once, as in TRACE: it also meets one that restoring has just made.
        restored = restored.replace(literal.group(), literal.group(1))
    return restored
