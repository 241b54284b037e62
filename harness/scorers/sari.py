"""SARI of a simplification, with the conventions of the Hugging Face metric.

Xu et al., "Optimizing Statistical Machine Translation for Text Simplification" (TACL 4, 2016),
section 4, with the two changes that tensor2tensor introduced and the Hugging Face metric kept:
0/0 counts as 1, and keep recall is weighted by counts.
"""

from collections import Counter
from collections.abc import Sequence

from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

_ORDERS = (1, 2, 3, 4)
_tokenize = Tokenizer13a()


def sari(source: str, prediction: str, references: Sequence[str]) -> float:
    """Return SARI in 0..1 of one prediction (the Hugging Face metric prints 100 times that).

    The mean over 1- to 4-grams of keep F1, delete precision and add F1, on lower-case text in
    sacrebleu's 13a tokenisation.
    """
    words = _words(source), _words(prediction), [_words(text) for text in references]
    parts = [_operations(*_ngrams(*words, order), len(references)) for order in _ORDERS]
    keep, delete, add = (sum(scores) / len(_ORDERS) for scores in zip(*parts, strict=True))
    return (keep + delete + add) / 3


def _words(text: str) -> list[str]:
    # An empty text is one empty word, so that an empty prediction "adds" something wrong.
    return _tokenize(text.lower()).split(" ")


def _ngrams(
    source: list[str], prediction: list[str], references: list[list[str]], order: int
) -> tuple[Counter, Counter, Counter]:
    pooled: Counter = Counter()
    for words in references:
        pooled.update(_count(words, order))
    return _count(source, order), _count(prediction, order), pooled


def _count(words: list[str], order: int) -> Counter:
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def _operations(
    source: Counter, prediction: Counter, references: Counter, copies: int
) -> tuple[float, float, float]:
    """Return keep F1, delete precision and add F1 for n-grams of one order.

    `references` pools the counts of `copies` texts, so source and prediction count as often.
    """
    before = Counter({gram: copies * count for gram, count in source.items()})
    after = Counter({gram: copies * count for gram, count in prediction.items()})

    kept, keepable = before & after, before & references
    rightly_kept = kept & references
    keep = _f1(
        _ratio(_summed_share(rightly_kept, kept), len(kept)),
        _ratio(rightly_kept.total(), keepable.total()),
    )
    deleted = before - after
    delete = _ratio(_summed_share(deleted - references, deleted), len(deleted))

    added, addable = set(prediction) - set(source), set(references) - set(source)
    rightly_added = len(added & addable)
    add = _f1(_ratio(rightly_added, len(added)), _ratio(rightly_added, len(addable)))
    return keep, delete, add


def _summed_share(part: Counter, whole: Counter) -> float:
    return sum(count / whole[gram] for gram, count in part.items())


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 1.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
