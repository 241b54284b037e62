"""All that is asked of a model for one benchmark, as token ids, cut into chunks.

The chunks follow from the requests and a number of tokens alone, never from the number of ranks:
whoever answers a chunk sees the same rows together, so that answers do not depend on who did. A
chunk is what is dealt to a rank, what is saved, and the most that is lost when a process is killed.
"""

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.config.plain import plain
from harness.generation.backend import Sampling, TokenIds
from harness.generation.dealing import GENERATED, Chunk, budget, cut
from harness.generation.prefixes import together
from harness.store.files import write_atomically

TOKENS, ENDS, REQUESTS = "tokens.npy", "ends.npy", "requests.json"
Pair = tuple[TokenIds, TokenIds]


@dataclass(frozen=True)
class Call:
    """Requests of one kind. how: to continue the rows, which are prompts; null = the likelihoods of
    rows that are (context, continuation)."""

    how: Sampling | None
    rows: Sequence[Any]


class Requests:
    """The calls of one benchmark in little memory, or on a disk.

    tokens: ids of all texts, one after the other; ends: where each of them ends. calls: how, and
    the numbers of the texts of each request, one (a prompt) or two (context, continuation).
    """

    def __init__(self, tokens: Any, ends: Any, calls: list[Call], chunks: list[Chunk]) -> None:
        self._tokens, self._ends = tokens, ends
        self._calls, self.chunks = calls, chunks

    def __len__(self) -> int:
        """How many requests there are."""
        return sum(len(call.rows) for call in self._calls)

    def of(self, chunk: Chunk) -> Call:
        """What is asked in one chunk."""
        call = self._calls[chunk.call]
        rows = [tuple(map(self._text, call.rows[member])) for member in chunk.members]
        return Call(call.how, rows if call.how is None else [prompt for (prompt,) in rows])

    def gathered(self, answers: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """The answers of every call in the order of its rows, from those of every chunk."""
        found: list[list[Any]] = [[None] * len(call.rows) for call in self._calls]
        for chunk, given in zip(self.chunks, answers, strict=True):
            for member, answer in zip(chunk.members, given, strict=True):
                found[chunk.call][member] = answer
        return found

    def save(self, folder: Path) -> None:
        """Write them into a folder; `requests.json` comes last, and only with it they are whole."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / TOKENS, self._tokens)
        np.save(folder / ENDS, self._ends)
        content = {"calls": plain(self._calls), "chunks": plain(self.chunks)}
        write_atomically(folder / REQUESTS, json.dumps(content))

    @classmethod
    def load(cls, folder: Path) -> "Requests":
        """Those of a folder; token ids stay on the disk until they are asked for."""
        content = json.loads((folder / REQUESTS).read_text(encoding="utf-8"))
        calls = [Call(_sampling(call["how"]), call["rows"]) for call in content["calls"]]
        chunks = [Chunk(c["call"], tuple(c["members"]), c["cost"]) for c in content["chunks"]]
        tokens = np.load(folder / TOKENS, mmap_mode="r")
        return cls(tokens, np.load(folder / ENDS), calls, chunks)

    def same(self, other: "Requests") -> bool:
        """Do both ask the same in the same chunks?"""
        return (
            np.array_equal(self._ends, other._ends)
            and np.array_equal(self._tokens, other._tokens)
            and plain(self._calls) == plain(other._calls)
            and self.chunks == other.chunks
        )

    def _text(self, number: int) -> list[int]:
        start = self._ends[number - 1] if number else 0
        return self._tokens[start : self._ends[number]].tolist()


def requests_of(calls: Sequence[Call], batch_tokens: int) -> Requests:
    """Calls as they are stored, cut into chunks of at least a batch of `batch_tokens` tokens."""
    texts: dict[bytes, int] = {}
    tokens, ends = array("i"), array("q")

    def number(text: TokenIds) -> int:
        ids = array("i", text)
        known = texts.setdefault(ids.tobytes(), len(texts))
        if known == len(ends):
            tokens.extend(ids)
            ends.append(len(tokens))
        return known

    stored = []
    for call in calls:
        texts_of = (row if call.how is None else (row,) for row in call.rows)
        stored.append(Call(call.how, [[number(text) for text in some] for some in texts_of]))
    found = Requests(
        np.frombuffer(tokens, np.int32) if tokens else np.zeros(0, np.int32),
        np.frombuffer(ends, np.int64) if ends else np.zeros(0, np.int64),
        stored,
        [],
    )
    passes = [_passes(call) for call in calls]
    size = budget(sum(one.size for some in passes for one in some), batch_tokens)
    found.chunks = [
        chunk for index, some in enumerate(passes) for chunk in _chunks(index, some, size)
    ]
    return found


@dataclass(frozen=True)
class _Pass:
    """One row of a batch and the requests that it answers. seen: its ids, as bytes."""

    seen: bytes
    members: list[int]
    read: int
    generated: int

    @property
    def size(self) -> int:
        return self.read + self.generated


def _passes(call: Call) -> list[_Pass]:
    """The rows that go through the model, those that begin alike together. Pairs that differ in
    their last token alone are one row."""
    if call.how is None:
        asked: dict[bytes, list[int]] = {}
        for index, (context, continuation) in enumerate(call.rows):
            seen = array("i", [*context, *continuation][:-1]).tobytes()
            asked.setdefault(seen, []).append(index)
        found = [_Pass(seen, members, len(seen) // 4, 0) for seen, members in asked.items()]
    else:
        new = call.how.max_tokens
        found = [
            _Pass(array("i", prompt).tobytes(), [index], len(prompt), new)
            for index, prompt in enumerate(call.rows)
        ]
    found.sort(key=lambda one: one.members)  # equal ones in the order in which they are asked
    order = together([array("i", one.seen) for one in found])
    return [found[index] for index in order]


def _chunks(index: int, passes: Sequence[_Pass], size: int) -> Iterator[Chunk]:
    for start, end in cut([one.size for one in passes], size):
        some = passes[start:end]
        members = tuple(member for one in some for member in one.members)
        cost = sum(one.read + GENERATED * one.generated for one in some)
        yield Chunk(index, members, cost)


def _sampling(data: dict[str, Any] | None) -> Sampling | None:
    return None if data is None else Sampling(**data | {"stop": tuple(data["stop"])})
