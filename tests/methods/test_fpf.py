"""FPF: which parameters are chosen, and where there are none."""

from types import SimpleNamespace

import pytest
import torch

from harness.errors import StageFailed
from harness.methods.fpf import FPF, most_sensitive

SIZES = {"matrix": 80, "norm": 10, "bias": 10}


@pytest.mark.parametrize(
    ("share", "expected"),
    [(1.0, {"matrix", "norm", "bias"}), (0.85, {"matrix"}), (0.2, {"norm", "bias"}), (0.05, set())],
)
def test_the_most_sensitive_that_fit(share: float, expected: set[str]) -> None:
    """Moved by 3, 2 and 1 a weight: where the matrix does not fit, the next ones do."""
    moved = {"matrix": 240.0, "norm": 20.0, "bias": 10.0}
    assert most_sensitive(moved, SIZES, share) == expected


def test_the_sum_counts_by_weight() -> None:
    assert most_sensitive({"matrix": 30.0, "norm": 20.0, "bias": 10.0}, SIZES, 0.1) == {"norm"}


def test_nothing_to_train_is_told() -> None:
    weight = torch.ones(4)
    view = SimpleNamespace(
        shapes={"w": torch.Size([4])},
        device="cpu",
        shards=lambda: [SimpleNamespace(name="w", weight=weight)],
        sum_over_shards=lambda value: value,
    )
    fpf = FPF(share=0.5)
    fpf.before = {"w": torch.zeros(4)}
    with pytest.raises(StageFailed, match=r"share=0.5 leaves nothing .* 1 of the trained weights"):
        fpf._chosen(SimpleNamespace(view=view))
