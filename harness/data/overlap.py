"""What rows have in common: repeated prompts, leaks between splits, the most frequent answer.

Pure functions on rows; prompts are compared exactly, as a model sees them.
"""

import re
from collections import Counter
from dataclasses import dataclass

from harness.data.rows import Row

_CHOICE = re.compile(r"[A-Z]")


@dataclass(frozen=True)
class Shared:
    """Prompts that two splits share: how many distinct ones, and how many rows of the second
    split they make up."""

    prompts: int
    rows: int


@dataclass(frozen=True)
class Majority:
    """The most frequent answer of a split and its share of the rows, 0..1."""

    answer: str
    share: float


def distinct_prompts(rows: list[Row]) -> int:
    """Number of different prompts."""
    return len(_prompts(rows))


def shared_prompts(first: list[Row], second: list[Row]) -> Shared:
    """The prompts of `second` that are in `first` as well."""
    common = _prompts(first) & _prompts(second)
    return Shared(len(common), sum(row["prompt"] in common for row in second))


def same_rows(first: list[Row], second: list[Row]) -> bool:
    """True where two splits hold the same (prompt, answer) rows, in whatever order."""
    return _content(first) == _content(second)


def selects_on_test(evaluation: list[Row], test: list[Row]) -> bool:
    """True where every prompt of the eval split is a test prompt, so that whatever is chosen on
    eval is chosen on test (a permutation of the test split is the common case)."""
    return _prompts(evaluation) <= _prompts(test)


def majority(rows: list[Row]) -> Majority:
    """The most frequent class: the choice letter where the answer's first line is one, else the
    whole answer. A constant prediction scores `share` in accuracy."""
    counts = Counter(_label(row["answer"]) for row in rows)
    answer, count = counts.most_common(1)[0]
    return Majority(answer, count / len(rows))


def _label(answer: str) -> str:
    first = answer.partition("\n")[0].strip()
    return first if _CHOICE.fullmatch(first) else answer


def _prompts(rows: list[Row]) -> set[str]:
    return {row["prompt"] for row in rows}


def _content(rows: list[Row]) -> Counter[tuple[str, str]]:
    return Counter((row["prompt"], row["answer"]) for row in rows)
