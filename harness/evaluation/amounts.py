"""How much work a benchmark is, before anything loads: its items and the tokens of its prompts."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.config import BenchmarkConfig
from harness.data.encoding import rough_tokens
from harness.data.rows import read_rows
from harness.errors import ConfigError, DataError
from harness.evaluation.material import Row, read_material
from harness.store.keys import digest
from harness.store.records import Demonstrations


@dataclass(frozen=True)
class Amount:
    """Items of every part of a benchmark, roughly the tokens that a model reads for each part, and
    whether its choices are scored by likelihood."""

    items: tuple[int, ...]
    tokens: tuple[int, ...]
    by_likelihood: bool

    def within(self, limit: int | None) -> int:
        """Number of items, no more than `limit` of every part."""
        return sum(_capped(count, limit) for count in self.items)

    def tokens_within(self, limit: int | None) -> int:
        """Tokens read for so many items, each taken as long as the mean of its part."""
        parts = zip(self.items, self.tokens, strict=True)
        return sum(tokens * _capped(count, limit) // count for count, tokens in parts if count)


UNKNOWN = Amount((0,), (0,), by_likelihood=False)


def of_rows(path: Path, longest: int | None, shown: Demonstrations | None = None) -> Amount:
    """The amount of a file in TRACE's format, prompts cut to `longest` tokens, or `shown` put
    before each of them, which has a limit of its own."""
    rows = read_rows(path)
    before = sum(rough_tokens(row["prompt"] + row["answer"]) for row in shown.rows) if shown else 0
    longest = shown.max_prompt_tokens if shown else longest
    tokens = sum(_capped(before + rough_tokens(row["prompt"]), longest) for row in rows)
    return Amount((len(rows),), (tokens,), by_likelihood=False)


def measure(benchmark: BenchmarkConfig, folder: Path, where: str) -> Amount:
    """The amount of a benchmark that has a source. Raises ConfigError or DataError; `where` is the
    benchmark's key."""
    longest = benchmark.max_prompt_tokens
    try:
        return of_source(str(benchmark.source), folder, benchmark.shots, longest)
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}") from error


def of_source(source: str, folder: Path, shots: int, longest: int | None) -> Amount:
    """How much work a publisher's files hold, which are read once per process and state."""
    stamps = [
        (path.as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return _of_source(source, folder, shots, longest, digest(stamps))


@cache
def _of_source(source: str, folder: Path, shots: int, longest: int | None, state: str) -> Amount:
    del state  # part of the memory's key: changed files are read again
    material = read_material(source, folder, shots)
    for name, rows in material.parts.items():
        if not rows:
            raise DataError(f"{folder}: no item {f'of {name} ' if name else ''}is there")
    by_likelihood = material.task["output_type"] != "generate_until"
    return Amount(
        items=tuple(len(rows) for rows in material.parts.values()),
        tokens=tuple(
            sum(
                _choices(row) if by_likelihood else _capped(rough_tokens(row["prompt"]), longest)
                for row in rows
            )
            for rows in material.parts.values()
        ),
        by_likelihood=by_likelihood,
    )


def _capped(number: int, most: int | None) -> int:
    return number if most is None else min(number, most)


def _choices(row: Row) -> int:
    """Tokens read for likelihoods: the prompt with every choice, or once if each is one word, for
    which lm-eval takes all of them from one pass."""
    choices = row.get("choices", [row["answer"]])
    if all(len(choice.split()) == 1 for choice in choices):
        return rough_tokens(row["prompt"])
    return sum(rough_tokens(row["prompt"] + choice) for choice in choices)
