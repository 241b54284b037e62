"""What OSFT's factors can reach is what its projections leave; how many directions are kept."""

from types import SimpleNamespace

import pytest
import torch

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods.osft import OSFT
from harness.methods.shared.subspace import beyond
from harness.plan.checks.run import validate


def off(basis: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return matrix - basis @ (basis.T @ matrix)


@pytest.mark.parametrize("shape", [(8, 8), (12, 8), (8, 12)])
def test_factors_off_the_kept_ones_are_matrices_off_them(shape: tuple[int, int]) -> None:
    """W = U_h S_h V_h' + U_l S_l V_l' with any U_l off U_h and V_l off V_h moves within the
    projection's range; and each change in the range is one of such factors."""
    torch.manual_seed(0)
    weight, k = torch.randn(shape).double(), 5
    u, s, vh = torch.linalg.svd(weight, full_matrices=False)
    kept_u, kept_v = u[:, :k], vh[:k].T
    high = kept_u @ s[:k].diag() @ kept_v.T
    left, right = beyond(kept_u, u[:, k:]), beyond(kept_v, vh[k:].T)

    rest = 8 - k
    factors = off(kept_u, torch.randn(shape[0], rest).double()), torch.randn(rest).double()
    trained = (
        high + factors[0] @ factors[1].diag() @ off(kept_v, torch.randn(shape[1], rest).double()).T
    )
    change = trained - weight
    torch.testing.assert_close(left.columns(right.rows(change)), change, atol=1e-12, rtol=0)

    target = weight + left.columns(right.rows(torch.randn(shape).double()))
    a, b, ch = torch.linalg.svd(target - high, full_matrices=False)
    assert float(b[rest:].max()) < 1e-12  # of no higher rank than the factors
    assert float((kept_u.T @ a[:, :rest]).abs().max()) < 1e-12
    assert float((ch[:rest] @ kept_v).abs().max()) < 1e-12


@pytest.mark.parametrize("shape", [(8, 8), (12, 8), (8, 12)])
def test_what_peft_trains_stays_in_the_projections_range(shape: tuple[int, int]) -> None:
    """Its factors after descent with its own projection of gradients; without it they leave."""
    from peft.tuners.osf.utils import decompose_weight_matrix, project_gradient_to_orthogonal_space

    torch.manual_seed(0)
    weight, target, k = torch.randn(shape), torch.randn(shape), 5
    u, _, vh = torch.linalg.svd(weight, full_matrices=False)
    left, right = beyond(u[:, :k], u[:, k:]), beyond(vh[:k].T, vh[k:].T)

    def outside(projected: bool) -> float:
        """What our projection takes from the change of W, as part of it."""
        parts = decompose_weight_matrix(weight, k)
        low = [parts[name] for name in ("U_low", "S_low", "V_low")]
        for _ in range(5):
            high = parts["U_high"] @ parts["S_high"].diag() @ parts["V_high"]
            whole = high + low[0] @ low[1].diag() @ low[2]
            loss = (whole - target).square().sum()
            for factor, gradient in zip(low, torch.autograd.grad(loss, low), strict=True):
                factor.grad = gradient
            if projected:
                project_gradient_to_orthogonal_space(parts)
            with torch.no_grad():
                for factor in low:
                    factor -= 0.01 * factor.grad
        change = (high + low[0] @ low[1].diag() @ low[2] - weight).detach()
        return float((change - left.columns(right.rows(change))).norm() / change.norm())

    assert outside(projected=True) < 1e-5
    assert outside(projected=False) > 0.1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"unfrozen": 0.1}, 36),
        ({"unfrozen": 0.25}, 30),
        ({"unfrozen": 1e-9}, 39),  # one direction is always trained
    ],
)
def test_directions_kept(given: dict, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = {"layers.0.weight": torch.Size([40, 60]), "layers.0.bias": torch.Size([40])}
    monkeypatch.setattr(OSFT, "_split", lambda self, stage: None)
    osft = OSFT(**given)
    osft.start(SimpleNamespace(view=SimpleNamespace(shapes=shapes, weights=dict)))
    assert osft.kept == {"layers.0.weight": kept}


@pytest.mark.parametrize(
    ("cosines", "parts"),
    [
        ([0.5, 0.5], [0.8, 0.8]),
        ([0.9, 0.3], [1.0, 0.1 + 0.5 * 0.7]),  # 1.5 times the mean is above 1
        ([0.4, -0.2], [1.0, 0.1]),  # what turns its input around counts as nothing
        ([-0.1, -0.2], [0.1, 0.1]),
    ],
)
def test_parts_by_importance(cosines: list[float], parts: list[float]) -> None:
    osft = OSFT(adaptive=True)
    osft.blocks = SimpleNamespace(measure=lambda stage, rows: cosines)
    own = SimpleNamespace(examples=[])
    stage = SimpleNamespace(own=own, random=lambda name: SimpleNamespace(sample=lambda *given: []))
    assert osft._parts(stage) == pytest.approx(parts)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method.osft.unfrozen=0"], "method.osft.unfrozen=0.0: it must be in (0, 1]"),
        (["method.osft.lowest=0.9"], "method.osft.lowest=0.9: it must be no more than highest"),
        (["+method.ogd={_target_: ogd}"], "are both a gradient projection; choose one"),
        (["+method.l2={_target_: l2}"], "list it first, method=[l2,osft]"),
    ],
)
def test_refusals(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(load(["method=osft", *overrides]))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_projected_share_is_that_of_the_split_matrices() -> None:
    """Of diag(3, 4) the first direction is kept: 3 of 5 are taken away."""
    osft, axis = OSFT(), torch.eye(2)
    off_first = beyond(axis[:, :1], axis[:, 1:])
    osft.free["w"] = off_first, off_first
    found = osft._noted("w", torch.diag(torch.tensor([3.0, 4.0])))
    assert found.tolist() == [[0, 0], [0, 4]]
    view = SimpleNamespace(device="cpu", sum_over_ranks=lambda value: value)
    stage = SimpleNamespace(view=view)
    assert osft.figures(stage) == {"projected_share": pytest.approx(3 / 5)}
    assert OSFT(unfrozen=1).figures(stage) == {"projected_share": 0.0}
