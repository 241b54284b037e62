"""The exact k-th largest value, of one tensor and of a stream that never is in memory at once."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


_SAMPLE = 1 << 16
_SLACK = 3  # places in the sample, in roots of its size: six standard deviations and more
_LOW_BITS = 16
_CHUNK = 1 << 20  # elements counted at a time: counting widens them to 64 bits


def kth_largest(values: "Tensor", k: int) -> float:
    """The k-th largest of a tensor's values; takes the memory of two copies at most, where most
    values are equal.

    A sample says between which two values it lies; only what lies there is sorted.
    """
    flat = values.flatten()
    every = -(-len(flat) // _SAMPLE)
    sample = flat[::every].sort(descending=True).values
    place, slack = k * len(sample) // len(flat), _SLACK * int(len(sample) ** 0.5)
    high = sample[max(0, place - slack)]
    low = sample[min(len(sample) - 1, place + slack)]
    above = int((flat > high).count_nonzero())
    between = flat[(flat >= low) & (flat <= high)]
    if not above < k <= above + len(between):  # the sample misled
        above, between = 0, flat
    ordered = between.numpy().copy()
    ordered.partition(len(ordered) - (k - above))
    return float(ordered[len(ordered) - (k - above)])


def kth_largest_streamed(stream: "Callable[[], Iterable[list[Tensor]]]", k: int) -> list[float]:
    """For each of T sequences of float32 values >= 0, its k-th largest value.

    `stream()` gives lists of T tensors, one of each sequence, and is run through twice. The bits
    of such floats order like the values, so a histogram of the upper half of the bits finds the
    bin of the k-th value, and one of the lower half, within that bin, the value itself.
    """
    upper = _histograms(stream, lambda bits, index: bits >> _LOW_BITS)
    bins = [_bin_from_top(counts, k) for counts in upper]
    lower = _histograms(
        stream,
        lambda bits, index: bits[bits >> _LOW_BITS == bins[index][0]] & ((1 << _LOW_BITS) - 1),
    )
    found = []
    for (upper_bits, above), counts in zip(bins, lower, strict=True):
        lower_bits, _ = _bin_from_top(counts, k - above)
        found.append(float(np.uint32((upper_bits << _LOW_BITS) + lower_bits).view(np.float32)))
    return found


def _histograms(
    stream: "Callable[[], Iterable[list[Tensor]]]",
    part: Callable[[np.ndarray, int], np.ndarray],
) -> list[np.ndarray]:
    totals: list[np.ndarray] = []
    for tensors in stream():
        for index, tensor in enumerate(tensors):
            if index == len(totals):
                totals.append(np.zeros(1 << _LOW_BITS, dtype=np.int64))
            flat = tensor.flatten().numpy().view(np.int32)
            for start in range(0, len(flat), _CHUNK):
                bits = part(flat[start : start + _CHUNK], index)
                totals[index] += np.bincount(bits, minlength=1 << _LOW_BITS)
    return totals


def _bin_from_top(counts: np.ndarray, k: int) -> tuple[int, int]:
    """The bin that holds the k-th entry from the top, and how many entries lie above it."""
    from_top = counts[::-1].cumsum()
    steps = int((from_top < k).sum())
    above = int(from_top[steps - 1]) if steps else 0
    return len(counts) - 1 - steps, above
