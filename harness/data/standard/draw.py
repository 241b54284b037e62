"""Which of a publisher's rows a task takes: drawn by a seed, as many of every class for scoring."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from harness.data.randomness import derive_seed

EVAL_PER_CLASS = 100  # to choose on; of training rows that are not trained on


@dataclass(frozen=True)
class Amounts:
    """train: rows of a task. per_class: test rows of every class. seed: of what is drawn."""

    train: int = 1000
    per_class: int = 500
    seed: int = 0


def draw_training(
    name: str, labels: Sequence[str], amounts: Amounts, held: int | None
) -> tuple[list[int], list[int]]:
    """Indices of the rows to train on, and of others to choose on: `held` of them, or so many of
    every class. Where a file is too short, nothing is left to choose on."""
    source = _source(name, "train", amounts)
    order = source.sample(range(len(labels)), len(labels))
    train, rest = order[: amounts.train], order[amounts.train :]
    return train, rest[:held] if held is not None else _of_each(rest, labels, EVAL_PER_CLASS)


def draw_test(name: str, labels: Sequence[str], amounts: Amounts, classes: bool) -> list[int]:
    """Indices of the rows to score: of every class so many, or all there are of it."""
    if not classes:
        return list(range(len(labels)))
    order = _source(name, "test", amounts).sample(range(len(labels)), len(labels))
    return _of_each(order, labels, amounts.per_class)


def draw_all(
    name: str, size: int, amounts: Amounts, held: dict[str, int]
) -> tuple[list[int], list[int], list[int]]:
    """Of a single file: indices to train on, to choose on and to score. Those to score are drawn
    first, so that they are the same however many are trained on."""
    order = _source(name, "all", amounts).sample(range(size), size)
    test, rest = order[: held["test"]], order[held["test"] :]
    train = rest[: amounts.train]
    return train, rest[len(train) : len(train) + held["eval"]], test


def _source(name: str, split: str, amounts: Amounts) -> random.Random:
    return random.Random(derive_seed("standard", amounts.seed, name, split))


def _of_each(order: Sequence[int], labels: Sequence[str], most: int) -> list[int]:
    taken: dict[str, int] = {}
    found = []
    for index in order:
        taken[labels[index]] = taken.get(labels[index], 0) + 1
        if taken[labels[index]] <= most:
            found.append(index)
    return found
