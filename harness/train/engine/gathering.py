"""A weight that is spread over the ranks, whole on all of them, a piece at a time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.train.engine.layout import Layout

if TYPE_CHECKING:
    from torch import Tensor


def gathered_pieces(
    layout: Layout, parameter: Any, held: "Tensor | None", count: int, device: str
) -> "Iterator[Tensor]":
    """A quantity of a trained parameter of `count` elements, of which a rank has `held` (None where
    it has no piece): flat fp32 pieces in order, on the device, bit for bit. Collective."""
    import torch
    import torch.distributed as dist

    from harness.models.weights.tensor_file import spans

    own = layout.span(parameter)
    for first, last in spans(0, count):
        if layout.replicated:
            yield held[first:last].to(device)
            continue
        piece = torch.zeros(last - first, device=device)
        if held is not None and max(first, own[0]) < min(last, own[1]):
            start, stop = max(first, own[0]), min(last, own[1])
            piece[start - first : stop - first] = held[start - own[0] : stop - own[0]]
        # As integers, where one rank has some and the others zeros: no bit is lost, -0.0 neither.
        dist.all_reduce(piece.view(torch.int32))
        yield piece
