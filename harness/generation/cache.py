"""Keys and values of a model's attention, kept for the tokens that come after them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer


class RoomyLayer(DynamicLayer):
    """One layer's keys and values in a buffer that is made once, instead of one that is copied for
    every token.

    room: places of a row. Tensors are [rows, heads, places, width].
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.length = room, 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Add places behind those that are there; returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            rows, heads, _, width = key_states.shape
            self.keys = key_states.new_empty((rows, heads, self.room, width))
            self.values = value_states.new_empty((rows, heads, self.room, value_states.shape[-1]))
        end = self.length + key_states.shape[2]
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Keep these rows alone, in this order."""
        kept = [
            whole.new_empty((len(rows), *whole.shape[1:])) for whole in (self.keys, self.values)
        ]
        for new, whole in zip(kept, (self.keys, self.values), strict=True):
            new[:, :, : self.length] = whole[rows, :, : self.length]
        self.keys, self.values = kept

    @classmethod
    def joined(
        cls, parts: "Sequence[tuple[RoomyLayer, int]]", places: int, room: int
    ) -> "RoomyLayer":
        """The rows of several layers, each from a first place on, so that all end at `places`;
        zeros are before them, and the layers are let go."""
        layer = cls(room)
        starts = [(part.length - places, start) for part, start in parts]
        keys, values = [part.keys for part, _ in parts], [part.values for part, _ in parts]
        layer.lazy_initialization(keys[0], values[0])
        for part, _ in parts:
            part.keys = part.values = None
        layer.keys = _ending_at(keys, starts, places, room)
        keys.clear()
        layer.values = _ending_at(values, starts, places, room)
        layer.length = places
        return layer

    def get_seq_length(self) -> int:
        """Places that are filled."""
        return self.length


class SharedLayer(DynamicLayer):
    """One layer's keys and values of beginnings that several rows share; those of what follows
    them are used once and not kept.

    keys, values: [beginnings, heads, places, width]. of: [rows], the beginning of each row.
    """

    def __init__(self, keys: Tensor, values: Tensor, of: Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values, self.of = keys, values, of

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """What is there for each row, and these behind it."""
        keys = torch.cat([self.keys[self.of], key_states], dim=2)
        return keys, torch.cat([self.values[self.of], value_states], dim=2)

    def get_seq_length(self) -> int:
        """Places of a beginning."""
        return self.keys.shape[2]


def roomy(layers: int, room: int) -> Cache:
    """An empty cache with so many places for every row."""
    return Cache(layers=[RoomyLayer(room) for _ in range(layers)])


def _ending_at(
    parts: Sequence[Tensor], starts: Sequence[tuple[int, int]], places: int, room: int
) -> Tensor:
    """Rows of several tensors below each other, zeros before them: what is masked counts nothing
    only where it is a number. starts: which place of each comes to place 0, and from which place on
    it is taken."""
    _, heads, _, width = parts[0].shape
    whole = parts[0].new_empty((sum(map(len, parts)), heads, room, width))
    first = 0
    for part, (zero, start) in zip(parts, starts, strict=True):
        rows = whole[first : first + len(part)]
        rows[:, :, : start - zero] = 0
        rows[:, :, start - zero : places] = part[:, :, start : zero + places]
        first += len(part)
    return whole
