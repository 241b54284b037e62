"""Rows, generators and the sampling rules that every micro task and probe shares."""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.store.files import write_atomically

T = TypeVar("T")
Row = dict[str, Any]


@dataclass(frozen=True)
class Generator:
    """One kind of item: `make` draws a row, `space` counts the distinct prompts it can draw."""

    name: str
    make: Callable[[random.Random], Row]
    space: int


def row(prompt: str, answer: str, **extra: Any) -> Row:
    return {"prompt": prompt, "answer": answer, **extra}


def skewed(rng: random.Random, items: Sequence[T]) -> T:
    """Pick with weights 1 / (rank + 4): rare words are what keeps a small task from saturating."""
    return rng.choices(items, [1 / (rank + 4) for rank in range(len(items))])[0]


def distinct(generator: Generator, rng: random.Random, count: int, taken: set[str]) -> list[Row]:
    """`count` rows with prompts that are new to `taken`, which grows by them."""
    rows: list[Row] = []
    for _ in range(200 * count):
        candidate = generator.make(rng)
        if candidate["prompt"] not in taken:
            taken.add(candidate["prompt"])
            rows.append(candidate)
            if len(rows) == count:
                return rows
    raise RuntimeError(f"{generator.name}: cannot draw {count} new items from {generator.space}")


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """A JSON list with one row per line: readable by TRACE's loaders, and good for diffs."""
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in rows)
    write_atomically(path, f"[\n{lines}\n]\n")


def read_rows(path: Path) -> list[Row]:
    return json.loads(path.read_text(encoding="utf-8"))
