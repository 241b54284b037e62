"""The exact k-th largest value of a stream of tensors, in memory that does not grow with it."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_LOW_BITS = 16
_CHUNK = 1 << 22  # elements counted at a time: counting widens them to 64 bits


def kth_largest(stream: "Callable[[], Iterable[list[Tensor]]]", k: int) -> list[float]:
    """For each of T sequences of float32 values >= 0, its k-th largest value.

    `stream()` gives lists of T tensors, one of each sequence, and is run through twice. The bits
    of such floats order like the values, so a histogram of the upper half of the bits finds the
    bin of the k-th value, and one of the lower half, within that bin, the value itself.
    """
    import torch

    upper = _histograms(stream, lambda bits, index: bits >> _LOW_BITS)
    bins = [_bin_from_top(counts, k) for counts in upper]
    lower = _histograms(
        stream,
        lambda bits, index: bits[bits >> _LOW_BITS == bins[index][0]] & ((1 << _LOW_BITS) - 1),
    )
    found = []
    for (upper_bits, above), counts in zip(bins, lower, strict=True):
        lower_bits, _ = _bin_from_top(counts, k - above)
        bits = torch.tensor([(upper_bits << _LOW_BITS) + lower_bits], dtype=torch.int32)
        found.append(float(bits.view(torch.float32)))
    return found


def _histograms(
    stream: "Callable[[], Iterable[list[Tensor]]]", part: "Callable[[Tensor, int], Tensor]"
) -> "list[Tensor]":
    import torch

    totals: list[Tensor] = []
    for tensors in stream():
        for index, tensor in enumerate(tensors):
            if index == len(totals):
                totals.append(torch.zeros(1 << _LOW_BITS, dtype=torch.int64))
            for chunk in tensor.contiguous().reshape(-1).split(_CHUNK):
                bits = part(chunk.view(torch.int32), index)
                totals[index] += torch.bincount(bits, minlength=1 << _LOW_BITS)
    return totals


def _bin_from_top(counts: "Tensor", k: int) -> tuple[int, int]:
    """The bin that holds the k-th entry from the top, and how many entries lie above it."""
    from_top = counts.flip(0).cumsum(0)
    steps = int((from_top < k).sum())
    above = int(from_top[steps - 1]) if steps else 0
    return len(counts) - 1 - steps, above
