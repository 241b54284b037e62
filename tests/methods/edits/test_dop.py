"""DOP against the published search, written with autograd and whole bases, and values by hand."""

import pytest
import torch
from support.toy_models import Toy, merged

from harness.errors import ConfigError
from harness.methods.edits.dop import DOP

MATRIX = "model.layers.0.mlp.up_proj.weight"


def published(
    base: torch.Tensor, tuned: list[torch.Tensor], edit: DOP, decay: float
) -> torch.Tensor:
    """As the paper's code does it: two losses of W itself, their gradients by autograd, the weight
    by a search over a fine grid."""
    current = tuned[0]
    for model in tuned[1:]:
        ends = [current, model]
        kept = []
        for end in ends:
            u, sizes, v_t = torch.linalg.svd(end - base, full_matrices=True)
            rank = int(torch.searchsorted(sizes.cumsum(0) / sizes.sum(), edit.energy))
            kept.append((torch.diag(sizes[:rank]), u[:, :rank], v_t.T[:, :rank]))
        weight, found = edit.balance, ((current + model) / 2).requires_grad_()
        optimizer = torch.optim.Adam([found], lr=edit.learning_rate)
        for _ in range(edit.steps):
            losses = [
                torch.linalg.matrix_norm(s @ u.T @ (found - end)) ** 2
                + torch.linalg.matrix_norm((found - end) @ v @ s) ** 2
                for end, (s, u, v) in zip(ends, kept, strict=True)
            ]
            if edit.adaptive:
                old, new = (
                    torch.autograd.grad(loss, found, retain_graph=True)[0] / loss.detach()
                    for loss in losses
                )
                shares = torch.linspace(0.001, 0.999, 99801, dtype=base.dtype)
                a, b, c = (old * old).sum(), (old * new).sum(), (new * new).sum()
                norms = shares**2 * a + 2 * shares * (1 - shares) * b + (1 - shares) ** 2 * c
                weight = decay * weight + (1 - decay) * float(shares[norms.argmin()])
            optimizer.zero_grad()
            (weight * losses[0] + (1 - weight) * losses[1]).backward()
            optimizer.step()
        current = found.detach()
    return current


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("shape", [(5, 8), (8, 5)])
def test_it_is_the_published_search(adaptive: bool, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    base, *tuned = torch.randn(4, *shape, dtype=torch.float64)
    edit = DOP(steps=30, learning_rate=0.05, adaptive=adaptive, decay=0.9, energy=0.9)
    expected = published(base, tuned, edit, decay=0.9)
    found = merged(edit, MATRIX, base, tuned)
    assert torch.allclose(found, expected, rtol=0, atol=1e-5 if adaptive else 1e-9)
    mean = (tuned[0] + tuned[1]) / 4 + tuned[2] / 2
    assert float((found - mean).abs().max()) > 0.1


def test_directions_that_do_not_meet_are_both_kept() -> None:
    """Changes on rows and columns of their own: both losses are 0 at their sum, and there alone."""
    base = torch.zeros(4, 4, dtype=torch.float64)
    first, second = base.clone(), base.clone()
    first[0, 0], second[2, 3] = 2.0, -3.0
    edit = DOP(steps=3000, learning_rate=0.01, energy=1.0, adaptive=False)
    # A rank of which the last value counts: below 1 is what comes before the one that reaches it.
    first[1, 1], second[3, 2] = 1e-9, 1e-9
    found = merged(edit, MATRIX, base, [first, second])
    assert found[0, 0] == pytest.approx(2.0, abs=1e-3)
    assert found[2, 3] == pytest.approx(-3.0, abs=1e-3)


def test_without_steps_and_outside_matrices_it_is_the_pairwise_mean() -> None:
    models = Toy(model__norm__weight=[[1.0, 1.0], [3.0, 1.0], [1.0, 5.0], [1.0, 1.0]])
    # ((2, 0) + (0, 4)) / 2 = (1, 2), with (0, 0): (0.5, 1).
    assert models.edited(DOP())["model.norm.weight"] == [1.5, 2.0]
    base, *tuned = torch.randn(3, 4, 4)
    assert torch.allclose(merged(DOP(steps=0), MATRIX, base, tuned), (tuned[0] + tuned[1]) / 2)
    embedding = merged(DOP(), "model.embed_tokens.weight", base, tuned)
    assert torch.allclose(embedding, (tuned[0] + tuned[1]) / 2)


def test_models_that_did_not_move_are_no_division_by_zero() -> None:
    base = torch.randn(4, 4)
    moved = base + torch.randn(4, 4)
    assert torch.equal(merged(DOP(steps=3), MATRIX, base, [base, base]), base)
    assert merged(DOP(steps=3), MATRIX, base, [base, moved]).isfinite().all()


@pytest.mark.parametrize(
    "wrong", [{"energy": 1.1}, {"steps": -1}, {"balance": -0.1}, {"decay": 2}, {"learning_rate": 0}]
)
def test_wrong_parameters(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}=.*: it must be"):
        DOP(**wrong)
