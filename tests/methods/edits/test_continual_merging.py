"""Edits that merge the models of a sequence, against values by hand and the published recursion."""

from pathlib import Path

import pytest
import torch
from support.toy_models import Toy, merged

from harness.errors import ConfigError
from harness.methods.edits.base import Edit
from harness.methods.edits.between import Between
from harness.methods.edits.dare import DARE
from harness.methods.edits.magmax import MagMax
from harness.methods.edits.opcm import OPCM
from harness.methods.edits.task_arithmetic import TaskArithmetic
from harness.methods.edits.ties import TIES

MATRIX = "model.layers.0.mlp.up_proj.weight"


def test_magmax_by_hand() -> None:
    # Changes [1, -3, 2] and [-2, 3, -1]: the largest are -2, 3 (the later of equals) and 2.
    models = Toy(a=[[1.0, 1.0, 1.0], [2.0, -2.0, 3.0], [-1.0, 4.0, 0.0]])
    assert models.edited(MagMax(scale=1.0))["a"] == [-1.0, 4.0, 3.0]
    assert models.edited(MagMax())["a"] == [0.0, 2.5, 2.0]


def test_dare_keeps_the_expectation_and_drops_the_rest() -> None:
    base = torch.full((400, 500), 1.0)
    tuned = [base + 2.0, base - 1.0]
    found = merged(DARE(drop=0.75), "a", base, tuned) - base
    # 2 m_1 / 0.25 - m_2 / 0.25 with independent draws.
    values, counts = found.unique(return_counts=True)
    assert values.tolist() == [-4.0, 0.0, 4.0, 8.0]
    shares = [0.75 * 0.25, 0.75 * 0.75, 0.25 * 0.25, 0.25 * 0.75]
    assert torch.allclose(counts / found.numel(), torch.tensor(shares), atol=0.005)
    assert abs(float(found.mean()) - 1.0) < 0.02
    assert torch.equal(found, merged(DARE(drop=0.75), "a", base, tuned) - base)
    for other in (DARE(drop=0.75, seed=1), DARE(drop=0.75)):
        name = "b" if other.seed == 0 else "a"
        assert not torch.equal(found, merged(other, name, base, tuned) - base)


def test_dare_of_nothing_is_the_edit_that_it_merges_with() -> None:
    models = Toy(a=[[0.0] * 4, [4.0, -1.0, 3.0, 0.0], [-2.0, -5.0, 0.5, 0.0]])
    assert models.edited(DARE(drop=0.0)) == models.edited(TaskArithmetic(scale=1.0))
    for trim in ("tensor", "global"):
        ties = {"_target_": "ties", "density": 0.5, "trim": trim}
        expected = models.edited(TIES(density=0.5, trim=trim))
        assert models.edited(DARE(drop=0.0, merge_with=ties)) == expected


def published(base: torch.Tensor, tuned: list[torch.Tensor], energy: float) -> torch.Tensor:
    """The recursion as it is written, for one matrix: lambdas, whole bases, no shortcut."""
    vectors = [model - base for model in tuned]
    change, factor = vectors[0], 1.0
    for count, vector in enumerate(vectors[1:], start=2):
        u, sizes, v_t = torch.linalg.svd(change, full_matrices=True)
        inner = u.T @ vector @ v_t.T
        inner.fill_diagonal_(0)
        above = sizes.cumsum(0) / sizes.sum() > energy
        block = int(above.float().argmax())
        inner[:block, :block] = 0
        whole = factor * change + u @ inner @ v_t
        mean = sum(float(one.norm()) for one in vectors[:count]) / count
        factor = float(whole.norm()) / mean
        change = whole / factor
    return base + change


def test_opcm_is_the_published_recursion() -> None:
    torch.manual_seed(0)
    for shape in ((6, 6), (5, 9), (9, 5)):
        base, *tuned = torch.randn(4, *shape, dtype=torch.float64)
        for energy in (0.0, 0.5, 0.8):
            found = edited(OPCM(energy=energy), base, tuned)
            assert torch.allclose(found, published(base, tuned, energy), atol=1e-9)


def edited(edit: Edit, base: torch.Tensor, tuned: list[torch.Tensor]) -> torch.Tensor:
    models = Toy(a=[[0.0], [0.0]])
    models.tensors, models.sizes = {MATRIX: [base, *tuned]}, {MATRIX: base.numel()}
    models.count = len(tuned)
    edit.prepare(models)
    return merged(edit, MATRIX, base, tuned)


def test_opcm_of_changes_of_low_rank_does_not_hang_on_the_routine() -> None:
    """Behind the rank, singular vectors are arbitrary: turned models give a turned result."""
    torch.manual_seed(0)
    base = torch.zeros(8, 8, dtype=torch.float64)
    first = torch.randn(8, 2, dtype=torch.float64) @ torch.randn(2, 8, dtype=torch.float64)
    second = torch.randn(8, 8, dtype=torch.float64)
    left, right = (torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0] for _ in range(2))
    plain = edited(OPCM(), base, [first, second])
    turned = edited(OPCM(), base, [left @ first @ right, left @ second @ right])
    assert torch.allclose(turned, left @ plain @ right, atol=1e-9)
    # What it adds has nothing in the leading direction of what was there.
    u, _, v_t = torch.linalg.svd(first)
    added = edited(OPCM(energy=1.0), base, [first, second])
    factor = float((u[:, :2].T @ added @ v_t[:2].T).norm() / first.norm())
    assert torch.allclose(u[:, :2].T @ added @ v_t[:2].T, factor * (u[:, :2].T @ first @ v_t[:2].T))


def test_opcm_adds_what_is_no_matrix_as_it_is() -> None:
    models = Toy(model__norm__weight=[[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    # Norms 3 and 4: their mean 3.5 is the norm of what was [3, 4] before.
    assert models.edited(OPCM())["model.norm.weight"] == [2.0999999046325684, 2.799999952316284]


def test_between_two_stages_by_hand() -> None:
    models = Toy(a=[[9.0, 9.0], [1.0, -2.0], [3.0, 2.0]])
    assert models.edited(Between(alpha=0.25))["a"] == [1.5, -1.0]
    assert models.edited(Between(alpha=0.0))["a"] == [1.0, -2.0]
    assert models.edited(Between(alpha=1.0))["a"] == [3.0, 2.0]
    stages = [Path("one"), Path("two"), Path("three")]
    for count, start, ends in ((3, 1, "one three"), (3, 2, "two three"), (1, 2, "one one")):
        chosen, _ = Between(start=start).select(stages[:count], lambda models: None)
        assert " ".join(map(str, chosen)) == ends
    for wrong in ({"alpha": 1.5}, {"start": 0}):
        with pytest.raises(ConfigError, match=r"it must be"):
            Between(**wrong)
    with pytest.raises(ConfigError, match="start=4: there are 3 models; use 1 to 3"):
        Between(start=4).check_count(3)
