"""CoSO's sketch against the bound of its paper and values by hand; a space that is full."""

import pytest
import torch

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods.coso import CoSO, leading, shrunk
from harness.methods.loading import load_strategies


def test_shrinking_by_hand() -> None:
    """Squares 25, 16 and 9 along the axes: by 9 less, the last one is gone."""
    sketch = shrunk(torch.diag(torch.tensor([5.0, 4.0, 3.0])), 2)
    assert sketch.shape == (3, 2)
    torch.testing.assert_close(sketch @ sketch.T, torch.diag(torch.tensor([16.0, 7.0, 0.0])))
    same = shrunk(torch.diag(torch.tensor([5.0, 4.0])), 2)  # nothing comes next
    torch.testing.assert_close(same @ same.T, torch.diag(torch.tensor([25.0, 16.0])))


def test_the_sketch_is_within_the_bound_of_frequent_directions() -> None:
    """Theorem 1.1 of arXiv 1501.01711: 0 <= A A' - B B' <= |A - A_k|^2 / (l - k), l = 6."""
    torch.manual_seed(0)
    parts = [torch.randn(20, 3).double() for _ in range(30)]
    sketch = torch.zeros(20, 0).double()
    for part in parts:
        sketch = shrunk(torch.cat([sketch, part], 1), 5)
    whole = torch.cat(parts, 1)
    lost = torch.linalg.eigvalsh(whole @ whole.T - sketch @ sketch.T)
    squares = torch.linalg.svdvals(whole) ** 2
    bound = min(float(squares[k:].sum()) / (6 - k) for k in range(6))
    assert lost.min() > -1e-9
    assert 0 < lost.max() <= bound


@pytest.mark.parametrize(("threshold", "count"), [(0, 0), (0.49, 0), (0.51, 1), (0.79, 1), (1, 2)])
def test_the_direction_that_crosses_the_threshold_stays_out(threshold: float, count: int) -> None:
    """Squares 5, 3 and 2 of 10: 0.5, 0.8 and 1 together."""
    sketch = torch.diag(torch.tensor([5.0, 3.0, 2.0]).sqrt())
    assert leading(sketch.double(), threshold).shape == (3, count)
    assert leading(torch.zeros(3, 2), 0.98).shape == (3, 0)


def test_nothing_is_trained_where_earlier_tasks_have_taken_all() -> None:
    torch.manual_seed(0)
    coso = CoSO(rank=3, sketch=4)
    coso.past["w"] = torch.linalg.qr(torch.randn(8, 8)).Q
    inside = coso._inside("w", torch.randn(8, 6), anew=True)
    assert float(inside.abs().max()) == 0.0
    coso.past["w"] = coso.past["w"][:, :7]  # one direction is left
    inside = coso._inside("w", torch.randn(8, 6), anew=True)
    assert torch.linalg.matrix_rank(inside, rtol=1e-4) == 1
    assert float((coso.past["w"].T @ inside).abs().max()) < 1e-6


def test_columns_of_transposed_layers_are_outputs() -> None:
    torch.manual_seed(0)
    plain, turned, gradient = CoSO(rank=2), CoSO(rank=2), torch.randn(5, 9)
    turned.transposed = {"w"}
    found = turned._inside("w", gradient.T, anew=True)
    torch.testing.assert_close(found.T, plain._inside("w", gradient, anew=True))


@pytest.mark.parametrize("key", ["rank", "sketch", "gap"])
def test_out_of_range(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"^method.coso.{key}=0: it must be 1 or more$"):
        load_strategies(load(["method=coso", f"method.coso.{key}=0"]).method)


def test_the_share_of_directions_that_are_taken() -> None:
    """3 of 8 and 1 of 12 outputs."""
    coso = CoSO()
    assert coso.figures(None) == {"past_share": 0.0}
    coso.past = {"a": torch.zeros(8, 3), "b": torch.zeros(12, 1)}
    assert coso.figures(None) == {"past_share": 4 / 20}
