"""ROUGE-L as TRACE computes it, defined for every pair of texts.

TRACE (arXiv 2310.06762) calls version 1.0.1 of the package `rouge`. What that package computes is
not the ROUGE-L of `rouge_score`: case is kept, sentences end at every period, words are counted
once however often they occur, and the longest common subsequences of all sentence pairs are united
into one set of words. This module computes the same numbers to the last bit, without the recursion
that makes the package fail on sentences of about a thousand words and without its exceptions for
texts that hold no sentence.
"""

from collections.abc import Sequence


def rouge_l(prediction: str, reference: str) -> float:
    """Return the F measure of ROUGE-L in 0..1 (identical texts give 1 - 5e-9, as in `rouge`).

    A text that is empty or holds nothing but periods has no sentence: the score is 0.0.
    """
    # TRACE passes the reference as hypothesis. The order decides which of several longest common
    # subsequences is taken, and with it how many distinct words are counted.
    predicted, expected = _sentences(prediction), _sentences(reference)
    if not predicted or not expected:
        return 0.0
    shared: set[str] = set()
    for rows in predicted:
        for columns in expected:
            shared |= _common_words(rows, columns)
    recall = len(shared) / len(_vocabulary(predicted))
    precision = len(shared) / len(_vocabulary(expected))
    return 2.0 * ((precision * recall) / (precision + recall + 1e-8))


def _sentences(text: str) -> list[list[str]]:
    """Split at periods, then into words; a sentence of white space is one empty word."""
    return [part.split() or [""] for part in text.split(".") if part]


def _vocabulary(sentences: list[list[str]]) -> set[str]:
    return {word for sentence in sentences for word in sentence}


def _common_words(rows: Sequence[str], columns: Sequence[str]) -> set[str]:
    """Return the distinct words of one longest common subsequence.

    Among several longest subsequences the walk back prefers dropping a word of `columns`. It drops
    those that `rows` lacks whatever the lengths, so they are left out from the start.
    """
    present = set(rows)
    columns = [word for word in columns if word in present]
    lengths = _lengths(rows, columns)
    words: set[str] = set()
    i, j = len(rows), len(columns)
    while i and j:
        if rows[i - 1] == columns[j - 1]:
            words.add(rows[i - 1])
            i, j = i - 1, j - 1
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words


def _lengths(rows: Sequence[str], columns: Sequence[str]) -> list[list[int]]:
    """Return the table [len(rows) + 1][len(columns) + 1] of subsequence lengths of prefixes."""
    table = [[0] * (len(columns) + 1)]
    present = set(columns)
    for word in rows:
        if word not in present:
            table.append(table[-1])
            continue
        above, current = table[-1], [0]
        for j, other in enumerate(columns):
            current.append(above[j] + 1 if word == other else max(above[j + 1], current[j]))
        table.append(current)
    return table
