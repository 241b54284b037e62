"""The likeliest token after token, of many rows at once; rows that have ended leave, and others
that wait take their places."""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

import torch

from harness.generation.backend import TokenIds
from harness.generation.batches import Limits
from harness.generation.passes import Beginnings, Passes, with_beginnings
from harness.generation.rows import Rows

# Of the rows have ended: the rest moves together, or others join it, which costs about a step.
LEAVE = 0.25


class Stop(Protocol):
    """Which rows have said enough."""

    def __call__(self, made: Sequence[list[int]]) -> list[bool]:
        """Of rows of new tokens, the last of which is new to it."""


class Greedy:
    """Continues prompts, in their order, by at most `most` tokens each. ends: tokens that end a
    row, and are not part of it. limits: of the rows that are under way at a time.

    under_way: the rows that are, or were when memory ran out, by their prompts' numbers.
    """

    def __init__(
        self,
        passes: Passes,
        prompts: Sequence[TokenIds],
        most: int,
        ends: Collection[int],
        stop: Stop,
        limits: Limits,
    ) -> None:
        self.passes, self.prompts, self.most = passes, prompts, most
        self.ends, self.stop, self.limits = ends, stop, limits
        self.layout = with_beginnings(prompts)
        self.beginnings: Beginnings = {}
        self.made: list[list[int]] = [[] for _ in prompts]
        self.waiting = list(reversed(range(len(prompts))))  # the next one is the last
        self.under_way: list[int] = []

    @torch.no_grad()
    def run(self) -> Iterator[dict[int, list[int]]]:
        """The new tokens of the prompts, by their numbers, as they end."""
        rows: Rows | None = None
        running = set[int]()
        while self.waiting or running:
            if new := self._joining(running, rows):
                rows = rows.kept(running) if running else None
                self.under_way = [*running, *new]
                begun = self._begun(new)
                running |= set(new)
                yield from self._noted(begun, running)
                rows = begun if rows is None else rows.joined(begun, self.most - 1)
                continue
            if len(running) <= (1 - LEAVE) * len(rows.prompts):
                rows = rows.kept(running)
            self.under_way = rows.prompts
            logits = self.passes.forward(
                rows.tokens[:, None], rows.mask, rows.positions[:, None], rows.cache, 1
            )
            rows = rows.stepped(logits[:, -1].argmax(-1))
            yield from self._noted(rows, running)

    def _joining(self, running: set[int], rows: Rows | None) -> list[int]:
        """The prompts that begin now: as many as there is room for, but beside others a part of a
        batch at least."""
        longest = max((len(self.prompts[one]) + len(self.made[one]) for one in running), default=0)
        count = 0
        for prompt in reversed(self.waiting):
            longest = max(longest, len(self.prompts[prompt]))
            under_way = len(running) + count
            if under_way and under_way >= self.limits.fitting(longest + self.most):
                break
            count += 1
        if running and count < LEAVE * len(rows.prompts):
            return []
        return [self.waiting.pop() for _ in range(count)]

    def _begun(self, prompts: list[int]) -> Rows:
        """The rows of prompts with their first tokens."""
        layout = self.layout.of_rows(prompts).or_plain(self.beginnings)
        needed = {self.layout.beginnings[self.layout.of[one]] for one in [*prompts, *self.waiting]}
        for known in set(self.beginnings) - needed:
            del self.beginnings[known]
        logits, cache, seen = self.passes.rests(layout, self.most - 1, 1, self.beginnings)
        device = self.passes.device
        return Rows(
            prompts, cache, layout.places + layout.width,
            torch.cat([seen, seen.new_ones((len(prompts), self.most))], 1),
            logits[:, -1].argmax(-1),
            torch.tensor([len(self.prompts[prompt]) for prompt in prompts], device=device),
        )  # fmt: skip

    def _noted(self, rows: Rows, running: set[int]) -> Iterator[dict[int, list[int]]]:
        """Add the new tokens to what runs; what has ended is told, and runs no longer."""
        ended, asked = set[int](), list[int]()
        for token, prompt in zip(rows.tokens.tolist(), rows.prompts, strict=True):
            if prompt not in running:
                continue
            if token in self.ends:
                ended.add(prompt)
            else:
                self.made[prompt].append(token)
                asked.append(prompt)
        said = self.stop([self.made[prompt] for prompt in asked])
        ended |= {prompt for prompt, enough in zip(asked, said, strict=True) if enough}
        ended |= {prompt for prompt in asked if len(self.made[prompt]) == self.most}
        running -= ended
        if ended:
            yield {prompt: self.made[prompt] for prompt in sorted(ended)}
