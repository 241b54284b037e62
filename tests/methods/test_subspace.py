"""Bases and projections against dense formulas on one rank, and who works on which matrix."""

from types import SimpleNamespace

import pytest
import torch

from harness.methods.shared.subspace import beyond, block_matrices, extend, owners, products

SHAPES = {
    "model.embed_tokens.weight": torch.Size([9, 4]),
    "model.layers.0.q_proj.weight": torch.Size([4, 4]),
    "model.layers.0.q_proj.bias": torch.Size([4]),
    "model.layers.0.experts.weight": torch.Size([2, 4, 4]),
    "model.layers.1.down_proj.weight": torch.Size([4, 12]),
    "lm_head.weight": torch.Size([9, 4]),
}
VIEW = SimpleNamespace(device="cpu", sum_over_shards=lambda value: value)


def test_matrices_inside_the_blocks() -> None:
    assert block_matrices(SHAPES) == [
        "model.layers.0.q_proj.weight",
        "model.layers.1.down_proj.weight",
    ]


def test_the_costly_matrices_are_dealt_first() -> None:
    """Costs 4 x 100, 2 x 80, 1 x 10 of 400, 160 and 10: the large one alone, the others together,
    and with three ranks one each."""
    shapes = {
        "small": torch.Size([10, 1]),
        "large": torch.Size([25, 4]),
        "middle": torch.Size([2, 40]),
    }
    assert owners(shapes, list(shapes), 1) == {"small": 0, "large": 0, "middle": 0}
    assert owners(shapes, list(shapes), 2) == {"large": 0, "middle": 1, "small": 1}
    assert owners(shapes, list(shapes), 3) == {"large": 0, "middle": 1, "small": 2}


@pytest.mark.parametrize("shape", [(8, 8), (12, 8), (8, 12)])
@pytest.mark.parametrize("kept", [1, 3, 7])
def test_both_forms_of_a_projection_are_the_same(shape: tuple[int, int], kept: int) -> None:
    torch.manual_seed(0)
    u, _, vh = torch.linalg.svd(torch.randn(shape).double(), full_matrices=False)
    matrix = torch.randn(shape).double()
    left = beyond(u[:, :kept], u[:, kept:])
    right = beyond(vh[:kept].T, vh[kept:].T)
    rows, columns = (torch.eye(n).double() for n in shape)
    dense = (rows - u[:, :kept] @ u[:, :kept].T) @ matrix @ (columns - vh[:kept].T @ vh[:kept])
    torch.testing.assert_close(left.columns(right.rows(matrix)), dense, atol=1e-12, rtol=0)
    assert left.basis.shape[1] == (min(kept, 8 - kept) if shape[0] == 8 else kept)


def test_directions_are_orthonormal_and_dependent_vectors_add_none() -> None:
    torch.manual_seed(0)
    whole = torch.randn(4, 50)
    whole[2] = 3 * whole[0] - whole[1]  # nothing new
    whole[3] = whole[0] + 1e-2 * whole[3]  # nearly nothing
    vectors = ({"a": row[:20].clone(), "b": row[20:].clone()} for row in whole)
    first = extend(VIEW, [], iter([next(vectors)]))
    basis = extend(VIEW, first, vectors)
    assert len(basis) == 3
    q = torch.stack([torch.cat([one["a"], one["b"]]) for one in basis]).double()
    torch.testing.assert_close(q @ q.T, torch.eye(3).double(), atol=2e-6, rtol=0)
    expected, _ = torch.linalg.qr(whole[[0, 1, 3]].double().T)
    torch.testing.assert_close(q.T @ q, expected @ expected.T, atol=1e-5, rtol=0)


def test_products_are_those_of_the_whole_model() -> None:
    one = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0])}
    other = {"a": torch.tensor([0.5, 1.0]), "b": torch.tensor([-1.0])}
    assert products(VIEW, one, [other, one]) == [-0.5, 14.0]
    assert products(VIEW, one, []) == []
