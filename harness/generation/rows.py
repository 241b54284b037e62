"""Rows of tokens under way through a model: the keys and values of what was read, and what is next.

All rows end at one place of their cache, so that a step writes one column; rows that come later are
laid behind the same place, and what is empty before a row is masked.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from harness.generation.cache import RoomyLayer


@dataclass(frozen=True)
class Rows:
    """prompts: the number of every row's prompt. cache: with `places` places filled. seen: [rows,
    room], the places that a row looks at. tokens: [rows], each one's last, not in the cache yet.
    positions: [rows], where those stand in their texts."""

    prompts: list[int]
    cache: Cache
    places: int
    seen: Tensor
    tokens: Tensor
    positions: Tensor

    @property
    def mask(self) -> Tensor | None:
        """What the tokens look at once they are in the cache, [rows, 1, 1, places]; null = all."""
        seen = self.seen[:, : self.places + 1]
        return None if bool(seen.all()) else seen[:, None, None]

    def stepped(self, tokens: Tensor) -> "Rows":
        """After a pass of their tokens, with those that come next."""
        return replace(self, places=self.places + 1, tokens=tokens, positions=self.positions + 1)

    def kept(self, prompts: set[int]) -> "Rows":
        """Those of some prompts alone; this one's cache is used up."""
        rows = [row for row, prompt in enumerate(self.prompts) if prompt in prompts]
        index = torch.tensor(rows, device=self.seen.device)
        for layer in self.cache.layers:
            assert isinstance(layer, RoomyLayer)
            layer.keep(index)
        return Rows(
            [self.prompts[row] for row in rows], self.cache, self.places, self.seen[index],
            self.tokens[index], self.positions[index],
        )  # fmt: skip

    def joined(self, others: "Rows", most: int) -> "Rows":
        """These and others, with room for `most` more places; the caches of both are used up."""
        empty = int(self.seen.any(0).int().argmax())  # before all of these rows
        places = max(self.places - empty, others.places)
        both = [(self, empty), (others, 0)]
        seen = self.seen.new_ones((len(self.prompts) + len(others.prompts), places + most))
        first = 0
        for rows, start in both:
            last = first + len(rows.prompts)
            filled = places - (rows.places - start)
            seen[first:last, :filled] = False
            seen[first:last, filled:places] = rows.seen[:, start : rows.places]
            first = last
        layers = [
            RoomyLayer.joined([(mine, empty), (theirs, 0)], places, places + most)
            for mine, theirs in zip(self.cache.layers, others.cache.layers, strict=True)
        ]
        return Rows(
            [*self.prompts, *others.prompts], Cache(layers=layers), places, seen,
            torch.cat([self.tokens, others.tokens]), torch.cat([self.positions, others.positions]),
        )  # fmt: skip
