"""Attention over a packed row: one call per example instead of one over the whole row.

transformers gives `sdpa` a dense mask of a packed row, nearly all of which is empty, and with any
mask the fast kernels of a GPU are shut out. Where a mask says nothing but "causal, within one's own
example", the examples are done one after the other, each causal and without a mask. That is read
off the mask, so a model with windows or chunks keeps what it does.
"""

import weakref
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

LEAST_TOKENS = 513  # shorter rows gain nothing on a CPU
_NAME = "sdpa"


def attend_by_blocks() -> None:
    """From now on `sdpa` does packed rows by example; calling it again changes nothing."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    before = ALL_ATTENTION_FUNCTIONS[_NAME]
    if not isinstance(before, _ByBlocks):
        ALL_ATTENTION_FUNCTIONS.register(_NAME, _ByBlocks(before))


class _ByBlocks:
    """transformers' attention function `whole`, called for each block of a packed row.

    All layers of a pass are given one mask, whose blocks are read once.
    """

    def __init__(self, whole: Any) -> None:
        self.whole = whole
        self._mask: Any = None
        self._blocks: list[int] | None = None

    def __call__(
        self,
        module: Any,
        query: "Tensor",
        key: "Tensor",
        value: "Tensor",
        attention_mask: "Tensor | None",
        **options: Any,
    ) -> "tuple[Tensor, Tensor | None]":
        """Queries [1, heads, L, d], keys and values [1, key heads, L, d] -> [1, L, heads, d]."""
        lengths = None
        if attention_mask is not None and _plain(query, key, attention_mask, options):
            lengths = self._lengths(attention_mask)
        if lengths is None:
            return self.whole(module, query, key, value, attention_mask, **options)
        import torch

        parts = zip(*(whole.split(lengths, dim=2) for whole in (query, key, value)), strict=True)
        made = [self.whole(module, *part, None, **options)[0] for part in parts]
        return torch.cat(made, dim=1), None

    def _lengths(self, mask: "Tensor") -> list[int] | None:
        if self._mask is None or self._mask() is not mask:
            self._mask, self._blocks = weakref.ref(mask), blocks(mask[0, 0])
        return self._blocks


def _plain(query: "Tensor", key: "Tensor", mask: "Tensor", options: dict[str, Any]) -> bool:
    """Is this one row that attends to itself, long enough, with nothing added to its scores?"""
    import torch

    size = query.shape[2]
    return (
        size >= LEAST_TOKENS
        and mask.dtype is torch.bool
        and tuple(mask.shape) == (1, 1, size, size)
        and query.shape[0] == 1
        and key.shape[2] == size
        and options.get("position_bias") is None
        and options.get("is_causal") is not False
    )


def blocks(mask: "Tensor") -> list[int] | None:
    """The lengths of the blocks along the diagonal of a mask [L, L] (true: attended), each causal
    and with nothing beside it; None where the mask is another, or has one block."""
    import torch

    places = torch.arange(len(mask), device=mask.device)
    first = mask.int().argmax(-1)
    starts = torch.unique(first)
    # A row attends to all from its block's first token to itself: as many as lie between, the
    # first of them where its block starts, and none behind itself.
    exact = (
        (mask.sum(-1) == places - first + 1).all()
        & (mask & (places[None, :] > places[:, None])).logical_not().all()
        & (torch.cummax(first, 0).values == first).all()
        & (first[starts] == starts).all()
    )
    if not bool(exact) or len(starts) < 2:
        return None
    bounds = [*starts.tolist(), len(mask)]
    return [end - start for start, end in pairwise(bounds)]
