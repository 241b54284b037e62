"""Batches that become smaller when memory runs out, instead of ending the run."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from harness.errors import StageFailed
from harness.generation.batches import Limits
from harness.models.memory import out_of_memory

Made = TypeVar("Made")
Told = TypeVar("Told", covariant=True)


class Flow(Protocol[Told]):
    """Rows that come and go together. under_way: which are, or were when memory ran out."""

    under_way: Sequence[int]

    def run(self) -> Iterator[dict[int, Told]]:
        """What was made of rows, by their places in the order, as they end."""


class Batches:
    """Runs rows in batches within limits, which fall to half of a batch that did not fit and
    stay there: what did not fit once does not fit again.

    halved: how often that was. Rows that go through together can change the last bits of their
    answers, so that answers repeat exactly only where it is 0.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits, self.halved = limits, 0

    def run(
        self, order: Sequence[int], sizes: Sequence[int], work: Callable[[list[int]], Made]
    ) -> Iterator[tuple[list[int], Made]]:
        """Every batch of the rows `order`, whose tokens are `sizes`, and what `work` made of it.

        Raises StageFailed where a single row does not fit.
        """
        start = 0
        while start < len(order):
            count = self.limits.of(sizes[index] for index in order[start:])
            batch = list(order[start : start + count])
            made = self._tried(batch, work)
            if made is None:
                self._halve(len(batch), max(sizes[index] for index in batch))
                continue
            yield batch, made[0]
            start += len(batch)

    def flow(
        self,
        order: Sequence[int],
        sizes: Sequence[int],
        begin: Callable[[list[int], Limits], Flow[Told]],
    ) -> Iterator[dict[int, Told]]:
        """What was made of the rows `order`, as they end. begin: rows in their order, and limits ->
        their flow; where memory ran out, what had not ended begins again within lower limits.

        Raises StageFailed where a single row does not fit.
        """
        left = list(order)
        while left:
            flow, ended = begin(left, self.limits), set[int]()
            try:
                for told in flow.run():
                    found = {left[place]: one for place, one in told.items()}
                    ended |= set(found)
                    yield found
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
            tried = [left[place] for place in flow.under_way]
            left = [index for index in left if index not in ended]
            if left:
                del flow  # its tensors, before others are made
                _empty_cache()
                self._halve(len(tried), max(sizes[index] for index in tried))

    def _tried(self, batch: list[int], work: Callable[[list[int]], Made]) -> tuple[Made] | None:
        """What was made, or null where memory ran out; its tensors are let go with the error."""
        try:
            return (work(batch),)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        _empty_cache()
        return None

    def _halve(self, rows: int, longest: int) -> None:
        if rows == 1:
            raise StageFailed(
                f"a prompt and its answer, {longest} tokens, do not fit into memory even alone; "
                "lower max_prompt_tokens or max_answer_tokens, or use a device with more memory"
            )
        half = rows // 2
        self.limits = replace(self.limits, tokens=min(self.limits.tokens, half * longest))
        if self.limits.fitting(longest) > half:
            self.limits = replace(self.limits, rows=half)
        self.halved += 1


def _empty_cache() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
