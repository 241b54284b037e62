"""Keys and values of a model's attention, kept for the tokens that come after them."""

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
