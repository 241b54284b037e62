"""Penalties that compare a fresh adapter with earlier ones, and what shrinking a factor does."""

import pytest
import torch

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods.loading import load_strategies
from harness.methods.n_lora import NLoRA
from harness.methods.n_lora import Penalty as Form
from harness.methods.o_lora import cosine_overlap, delta_overlap

A, B = "layer.lora_A.default.weight", "layer.lora_B.default.weight"


def factors(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A [2, 5] and B [4, 2]."""
    source = torch.Generator().manual_seed(seed)
    sizes = ((2, 5), (4, 2))
    a, b = (torch.randn(size, generator=source, dtype=torch.float64) for size in sizes)
    return a, b


@pytest.fixture
def old() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Two earlier adapters."""
    return [factors(1), factors(2)]


def stacked(old: list) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([a for a, _ in old]), torch.cat([b for _, b in old], dim=1)


def test_delta_is_that_of_whole_updates_task_by_task(old: list) -> None:
    a, b = factors(3)
    whole = sum(((ob @ oa).T @ (b @ a)).square().sum() for oa, ob in old)
    assert float(delta_overlap(*stacked(old), a, b)) == pytest.approx(float(whole), rel=1e-12)


def test_cosine_by_hand() -> None:
    """Rows (3, 4) and (0, 2) beside (1, 0): cosines 3/5 and 0."""
    earlier, new = torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    assert float(cosine_overlap(earlier, new)) == pytest.approx(0.36)


def test_published_penalties_vanish_with_the_factor_that_they_see(old: list) -> None:
    """(c A, B / c) is the same update. O-LoRA's overlaps of A fall with c, those of B with 1 / c;
    cosine and delta stay."""
    a, b = factors(3)
    old_a, old_b = stacked(old)

    def values(a: torch.Tensor, b: torch.Tensor) -> list[float]:
        upstream, paper = (old_a @ a.T).abs().sum(), (old_b.T @ b).square().sum()
        ours = cosine_overlap(old_a, a), delta_overlap(old_a, old_b, a, b)
        return [float(one) for one in (upstream, paper, *ours)]

    small, large = values(0.01 * a, b / 0.01), values(100 * a, b / 100)
    upstream, paper, cosine, delta = values(a, b)
    assert small[0] == pytest.approx(0.01 * upstream)
    assert large[1] == pytest.approx(1e-4 * paper)
    for found in (small, large):
        assert found[2:] == pytest.approx([cosine, delta])


def test_training_evades_the_published_penalty_and_not_cosine(old: list) -> None:
    """Gradient descent on the penalty alone, from random factors: overlap as it is without the
    scale of A stays under the published form, which the shrinking of A has made small."""
    old_a, _ = stacked(old)
    a0, _ = factors(3)
    a0 = a0 + old_a[:2]  # rows that overlap

    def left(penalty) -> tuple[float, float]:
        """(L1 of the overlap, squared cosines) in the end, each as a part of the beginning."""
        a, scale = a0.clone(), torch.ones((), dtype=a0.dtype).requires_grad_()
        # Only the length of A may change: the cheapest way there is.
        optimizer = torch.optim.SGD([scale], lr=1e-2)
        for _ in range(500):
            optimizer.zero_grad()
            penalty(scale * a).backward()
            optimizer.step()
        ended = scale.detach().abs().clamp_min(1e-6) * a
        ratio = float((old_a @ ended.T).abs().sum() / (old_a @ a0.T).abs().sum())
        return ratio, float(cosine_overlap(old_a, ended) / cosine_overlap(old_a, a0))

    published = left(lambda a: (old_a @ a.T).abs().sum())
    assert published[0] < 0.2
    assert published[1] == pytest.approx(1.0)
    assert left(lambda a: cosine_overlap(old_a, a))[0] == pytest.approx(1.0)


@pytest.mark.parametrize("form", [Form.paper, Form.cosine, Form.delta])
def test_n_lora_does_not_see_how_an_update_is_factored(form: Form, old: list) -> None:
    a, b = factors(3)
    mine = NLoRA(1.0, form)
    mine.earlier = dict(zip((A, B), stacked(old), strict=True))
    value = float(mine._penalty(A, a, b))
    assert value > 0
    assert float(mine._penalty(A, 0.01 * a, b / 0.01)) == pytest.approx(value)


def test_n_lora_by_hand() -> None:
    """D = ((2, 0), (0, -3)) meets an old ((0, 5), (0, 1)) in one weight: |-3| 1 of lengths
    sqrt(13) and sqrt(26). The released code's product the other way round is ((2, 0), (0, -3)) of
    other factors only where they commute."""
    a, b = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, -3.0]])
    old_a, old_b = torch.tensor([[0.0, 1.0]]), torch.tensor([[5.0], [1.0]])
    found = {}
    for form in Form:
        mine = NLoRA(2.0, form)
        mine.earlier = {A: old_a, B: old_b}
        found[form.value] = float(mine._penalty(A, a, b))
    length = 13**0.5 * 26**0.5
    assert found == pytest.approx({"paper": 10, "upstream": 10, "delta": 6, "cosine": 6 / length})
    a = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    assert float(NLoRA(1.0, Form.paper)._penalty(A, a, b)) == 2 + 2 + 3
    assert float(NLoRA(1.0, Form.upstream)._penalty(A, a, b)) == 2 + 3 + 3


def test_cosine_has_no_gradient_where_the_update_is_nothing(old: list) -> None:
    a, b = factors(3)
    a, b = a.requires_grad_(), torch.zeros_like(b).requires_grad_()
    mine = NLoRA(1.0, Form.cosine)
    mine.earlier = dict(zip((A, B), stacked(old), strict=True))
    made = torch.autograd.grad(mine._penalty(A, a, b), (a, b))
    assert [float(one.abs().max()) for one in made] == [0.0, 0.0]


def test_the_released_product_is_refused_where_it_does_not_exist() -> None:
    (strategy,) = load_strategies(
        load(["method=n_lora", "method.n_lora.penalty=upstream"]).method
    ).values()
    grouped = {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
    with pytest.raises(ConfigError, match="v_proj has 32 for 64; use penalty=paper"):
        strategy.check_model(grouped)
    strategy.check_model(grouped | {"num_key_value_heads": 4})


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=n_lora", "method.n_lora.strength=-1"], "method.n_lora.strength=-1.0"),
        (["method=n_lora", "method.n_lora.penalty=l1"], "[paper, upstream, cosine, delta]"),
        (["method=o_lora", "method.o_lora.penalty=l1"], "[paper, upstream, cosine, delta]"),
        (["method=cia", "method.cia.floor=2"], "method.cia.floor=2.0: it must be in [0, 1]"),
        (["method=cia", "method.cia.form=mine"], "expected one of [published, invariant]"),
        (["method=i_lora", "method.i_lora.decay=2"], "method.i_lora.decay=2.0"),
        (["method=i_lora", "method.i_lora.buffer=-1"], "method.i_lora.buffer=-1"),
        (["method=i_lora", "method.i_lora.batch_size=0"], "method.i_lora.batch_size=0"),
    ],
)
def test_out_of_range(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_strategies(load(overrides).method)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
