"""Forward passes over rows whose shared beginnings go through the model once.

Places of a row: [its beginning, padded behind][what follows, padded before], so that all rows end
at one place. Masks are made here, [rows, 1, places that look, places that are seen].
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from harness.generation.backend import TokenIds
from harness.generation.cache import SharedLayer, roomy
from harness.generation.prefixes import groups
from harness.store.pulse import beat

WORTH = 0.1  # of all tokens, to be saved
# Keys and values of every layer, [heads, places, width], by the tokens of a beginning.
Beginnings = dict[tuple[int, ...], list[tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class Layout:
    """Rows and what they share. beginnings: those that several rows share, and an empty one where
    others share none; of: the beginning of each row; rests: what follows it."""

    beginnings: list[tuple[int, ...]]
    of: list[int]
    rests: list[TokenIds]

    @property
    def places(self) -> int:
        """The longest beginning."""
        return max(map(len, self.beginnings))

    @property
    def width(self) -> int:
        """The longest rest."""
        return max(map(len, self.rests))

    def padded(self, known: Container[tuple[int, ...]]) -> int:
        """Tokens that go through the model, padding included; known: beginnings that need not."""
        new = sum(beginning not in known for beginning in self.beginnings)
        return new * self.places + len(self.rests) * self.width

    def or_plain(self, known: Container[tuple[int, ...]] = ()) -> "Layout":
        """One without beginnings where, with all padded, they are not worth the mask that they
        need. known: beginnings that went through before."""
        rows = [[*self.beginnings[of], *rest] for of, rest in zip(self.of, self.rests, strict=True)]
        plain = Layout([()], [0] * len(rows), rows)
        return self if self.padded(known) < (1 - WORTH) * plain.padded(()) else plain

    def of_rows(self, rows: Sequence[int]) -> "Layout":
        """The layout of some of the rows."""
        numbers = sorted({self.of[row] for row in rows})
        of = [numbers.index(self.of[row]) for row in rows]
        beginnings = [self.beginnings[number] for number in numbers]
        return Layout(beginnings, of, [self.rests[row] for row in rows])


def with_beginnings(rows: Sequence[TokenIds], outside: Sequence[int] | None = None) -> Layout:
    """The layout whose beginnings save most tokens. outside: as for `groups`."""
    beginnings = dict[tuple[int, ...], int]()
    of, rests = [0] * len(rows), list[TokenIds](rows)
    for group in groups(rows, outside):
        beginning = tuple(rows[group.rows[0]][: group.shared])
        number = beginnings.setdefault(beginning, len(beginnings))
        for row in group.rows:
            of[row], rests[row] = number, rows[row][group.shared :]
    return Layout(list(beginnings), of, rests)


def laid_out(rows: Sequence[TokenIds], outside: Sequence[int] | None = None) -> Layout:
    """The same for rows that go through the model together, if beginnings are worth it."""
    return with_beginnings(rows, outside).or_plain()


class Passes:
    """A loaded causal model. Its attention must be sdpa or eager, and see all places before."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.config = model.config.get_text_config()
        self.device = model.device

    def rests(
        self, layout: Layout, room: int | None, kept: int, known: Beginnings | None = None
    ) -> tuple[Tensor, Cache, Tensor]:
        """What follows the beginnings goes through the model.

        room: places that a row may need behind; null = nothing comes behind, nothing is kept.
        known: beginnings that went through before; those that are new are added.
        Returns logits of the last `kept` places, [rows, kept, vocabulary], the cache, and which
        places of it are seen, [rows, places].
        """
        of = torch.tensor(layout.of, device=self.device)
        cache = self._begun(layout, of, room, {} if known is None else known)
        ids, there = self._padded_before(layout.rests)
        lengths = torch.tensor([len(one) for one in layout.beginnings], device=self.device)[of]
        before = torch.arange(layout.places, device=self.device) < lengths[:, None]
        seen = torch.cat([before, there], 1)
        positions = (there.cumsum(1) - 1).clamp(min=0) + lengths[:, None]
        mask = None if seen.all() and not layout.places else self._mask(seen, layout)
        logits = self.forward(ids, mask, positions, cache, kept)
        return logits, cache, seen

    def forward(
        self, ids: Tensor, mask: Tensor | None, positions: Tensor, cache: Cache, kept: int
    ) -> Tensor:
        """Logits of the last `kept` places of ids, [rows, places]."""
        beat()
        return self.model(
            input_ids=ids,
            attention_mask=mask if mask is None else self._as_attention_wants(mask),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=kept,
        ).logits[:, -kept:]

    def _begun(self, layout: Layout, of: Tensor, room: int | None, known: Beginnings) -> Cache:
        """A cache that holds every row's beginning."""
        places, layers = layout.places, self.config.num_hidden_layers
        if room is None and places:
            return Cache([SharedLayer(*both, of) for both in self._shared(layout, known)])
        own = roomy(layers, places + layout.width + (room or 0))
        if places:
            for layer, (keys, values) in zip(own.layers, self._shared(layout, known), strict=True):
                layer.update(keys[of], values[of])
        return own

    def _shared(self, layout: Layout, known: Beginnings) -> Iterator[tuple[Tensor, Tensor]]:
        """Keys and values of the beginnings in every layer, each [beginnings, heads, places,
        width]."""
        self._read([one for one in layout.beginnings if one and one not in known], known)
        example = next(iter(known.values()))
        for number, layer in enumerate(example):
            both = [
                one.new_zeros((len(layout.beginnings), len(one), layout.places, one.shape[-1]))
                for one in layer
            ]
            for row, tokens in enumerate(layout.beginnings):
                for whole, one in zip(both, known[tokens][number] if tokens else (), strict=False):
                    whole[row, :, : len(tokens)] = one
            yield both[0], both[1]

    def _read(self, new: Sequence[tuple[int, ...]], known: Beginnings) -> None:
        """Beginnings go through the model, padded behind, where nothing looks."""
        if not new:
            return
        places = max(map(len, new))
        cache = roomy(self.config.num_hidden_layers, places)
        ids = torch.zeros((len(new), places), dtype=torch.long)
        for row, tokens in enumerate(new):
            ids[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        positions = torch.arange(places, device=self.device).expand(ids.shape)
        self.forward(ids.to(self.device), None, positions, cache, 1)
        for row, tokens in enumerate(new):
            known[tokens] = [
                tuple(whole[row, :, : len(tokens)].clone() for whole in (layer.keys, layer.values))
                for layer in cache.layers
            ]  # copies, so that each is let go for itself

    def _padded_before(self, rows: Sequence[TokenIds]) -> tuple[Tensor, Tensor]:
        """Ids and which of them are there, each [rows, width]."""
        width = max(map(len, rows))
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        there = torch.zeros((len(rows), width), dtype=torch.bool)
        for row, tokens in enumerate(rows):
            ids[row, width - len(tokens) :] = torch.tensor(tokens)
            there[row, width - len(tokens) :] = True
        return ids.to(self.device), there.to(self.device)

    def _mask(self, seen: Tensor, layout: Layout) -> Tensor:
        """Each place sees those before it that are there, and itself: what sees nothing at all is
        no number, and would spoil what others see."""
        total = layout.places + layout.width
        looking = torch.arange(layout.places, total, device=self.device)[:, None]
        looked_at = torch.arange(total, device=self.device)
        causal = (looked_at <= looking) & seen[:, None, None, :]
        return causal | (looked_at == looking)

    def _as_attention_wants(self, mask: Tensor) -> Tensor:
        if self.config._attn_implementation != "eager":
            return mask
        types = torch.zeros((), dtype=self.model.dtype, device=mask.device)
        return torch.where(mask, types, torch.finfo(self.model.dtype).min)
