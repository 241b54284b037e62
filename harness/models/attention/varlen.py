"""PyTorch's own kernel for rows of examples end to end: `torch.nn.attention.varlen`.

It is registered with transformers beside `sdpa` and takes what that library's flash attention
takes: no mask, and position ids from which the examples' borders are read.
"""

import inspect
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

NAME = "varlen"
# Versions before these arguments cannot say what a model asks for.
NEEDED = {"window_size", "scale", "enable_gqa"}


def kernel() -> "Callable[..., Tensor] | None":
    """`varlen_attn` where this version of PyTorch has it. It runs on GPUs alone, in bf16."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn if set(inspect.signature(varlen_attn).parameters) >= NEEDED else None


def offer(attend: "Callable[..., Tensor]") -> None:
    """From now on models can be set to `varlen`."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(NAME, _Varlen(attend))
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, _no_mask)


def _no_mask(attention_mask: "Tensor | None" = None, **options: Any) -> None:
    if attention_mask is not None:
        raise ValueError("varlen attention takes packed rows only")


class _Varlen:
    """An attention function of transformers. All layers of a pass are given one tensor of
    position ids, which is read once: that makes the GPU wait."""

    def __init__(self, attend: "Callable[..., Tensor]") -> None:
        self.attend = attend
        self._positions: Any = None
        self._bounds: tuple[Tensor, int] | None = None

    def __call__(
        self,
        module: Any,
        query: "Tensor",
        key: "Tensor",
        value: "Tensor",
        attention_mask: "Tensor | None",
        dropout: float = 0.0,
        scaling: float | None = None,
        position_ids: "Tensor | None" = None,
        **options: Any,
    ) -> "tuple[Tensor, None]":
        """Queries [1, heads, L, d], keys and values [1, key heads, L, d] -> [1, L, heads, d].

        Raises ValueError for what the kernel does not compute.
        """
        asked = [name for name in ("sliding_window", "softcap", "s_aux") if options.get(name)]
        if dropout or asked or options.get("position_bias") is not None:
            raise ValueError(f"varlen attention has no {', '.join(asked) or 'dropout or bias'}")
        causal = options.get("is_causal")
        if (getattr(module, "is_causal", True) if causal is None else causal) is False:
            raise ValueError("varlen attention is causal")
        if position_ids is None or query.shape[0] != 1:
            raise ValueError("varlen attention needs one row and its position ids")
        borders, longest = self._read(position_ids)
        rows = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
        made = self.attend(
            *rows,
            borders,
            borders,
            longest,
            longest,
            scale=scaling,
            window_size=(-1, 0),  # all before a token, none behind it
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return made[None], None

    def _read(self, positions: "Tensor") -> "tuple[Tensor, int]":
        """Where the examples begin, and the end, int32 [examples + 1]; the longest's length."""
        if self._bounds is None or self._positions() is not positions:
            import torch

            starts = (positions[0] == 0).nonzero().flatten()
            end = torch.tensor([positions.shape[1]], device=starts.device)
            borders = torch.cat([starts, end]).to(torch.int32)
            longest = int(borders.diff().max())
            self._positions, self._bounds = weakref.ref(positions), (borders, longest)
        return self._bounds
