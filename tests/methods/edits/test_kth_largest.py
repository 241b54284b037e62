"""The exact k-th largest value, against sorting."""

import pytest
import torch

from harness.methods.edits.kth_largest import kth_largest, kth_largest_streamed


@pytest.mark.parametrize("k", [1, 2, 5000, 9999, 10000])
def test_the_kth_largest_value_is_exact(k: int) -> None:
    torch.manual_seed(0)
    values = torch.cat([torch.randn(6000).abs(), torch.zeros(2000), 1e-8 * torch.rand(2000)])
    other = torch.rand(10000)
    pieces = list(zip(values.split(777), other.split(777), strict=True))
    expected = [float(x.sort(descending=True).values[k - 1]) for x in (values, other)]
    assert kth_largest_streamed(lambda: ([a, b] for a, b in pieces), k) == expected
    assert [kth_largest(values, k), kth_largest(other, k)] == expected


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.999])
@pytest.mark.parametrize("order", ["random", "ascending", "equal", "misleading"])
def test_the_kth_largest_of_many_values_is_exact(share: float, order: str) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(300_000, generator=generator).abs().bfloat16().float()
    if order == "ascending":
        values = values.sort().values
    elif order == "equal":
        values[:290_000] = 0.5
    elif order == "misleading":
        values[::5] = 0.0  # what a sample of every fifth value sees
    k = 1 + int(share * (len(values) - 1))
    assert kth_largest(values, k) == float(values.sort(descending=True).values[k - 1])
