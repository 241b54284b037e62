"""Learning rates of single weights: what strategies ask for and what the optimizer makes of it."""

from types import SimpleNamespace

import pytest
import torch

from harness.config import EngineConfig, TrainConfig
from harness.config.compose.compose import load
from harness.errors import ConfigError, StageFailed
from harness.methods import Strategy
from harness.methods.llrd import LLRD
from harness.methods.loading import load_strategies
from harness.methods.slow_learner import SlowLearner
from harness.train.engine.optimizer import adamw, set_rate
from harness.train.rates import rate_factors


class Model(torch.nn.Module):
    """Embeddings, three blocks, a norm and a head."""

    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        self.embed_tokens = torch.nn.Embedding(5, 4)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))
        self.norm = torch.nn.LayerNorm(4)
        self.lm_head = torch.nn.Linear(4, 5, bias=False)
        if tied:
            self.lm_head.weight = self.embed_tokens.weight

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.lm_head


def asked(rates: dict[str, float]) -> Strategy:
    return type("Mine", (Strategy,), {"rates": lambda self, stage, model: rates})()


def test_llrd_from_the_head_to_the_embeddings() -> None:
    model = Model()
    model.layers[1].bias.requires_grad_(False)
    found = LLRD(decay=0.5).rates(SimpleNamespace(), model)
    assert found == {
        "embed_tokens.weight": 1 / 16,
        "layers.0.weight": 1 / 8,
        "layers.0.bias": 1 / 8,
        "layers.1.weight": 1 / 4,
        "layers.2.weight": 1 / 2,
        "layers.2.bias": 1 / 2,
    }


def test_a_tied_head_learns_fast() -> None:
    found = SlowLearner(factor=0.1).rates(SimpleNamespace(), Model(tied=True))
    assert "embed_tokens.weight" not in found
    assert set(found.values()) == {0.1}
    assert len(found) == 8


def test_a_head_that_is_frozen_is_no_fast_one() -> None:
    model = Model()
    model.lm_head.requires_grad_(False)
    with pytest.raises(StageFailed, match="no output head that is trained"):
        SlowLearner().rates(SimpleNamespace(), model)


def test_factors_of_several_strategies_multiply() -> None:
    both = [
        asked({"norm.weight": 0.5, "norm.bias": 2.0}),
        asked({"norm.weight": 0.5, "norm.bias": 0.5}),
    ]
    assert rate_factors(both, SimpleNamespace(), Model()) == {"norm.weight": 0.25}


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ({"norm.wait": 0.5}, "for norm.wait, which is no trained parameter"),
        ({"norm.weight": -1.0}, "it has to be a number, 0 or more"),
        ({"norm.weight": float("nan")}, "it has to be a number, 0 or more"),
    ],
)
def test_what_would_do_nothing_or_harm_is_refused(rates: dict[str, float], told: str) -> None:
    with pytest.raises(StageFailed, match=told):
        rate_factors([asked(rates)], SimpleNamespace(), Model())


def test_a_factor_is_a_rate_of_its_own_and_decays_weights_with_it() -> None:
    """Two steps at rates 0.1 and 0.05 beside plain AdamW with half the rate."""
    train = TrainConfig(learning_rate=1e-3, weight_decay=0.5)
    found, expected = ([], [])
    for factor, into in ((0.5, found), (1.0, expected)):
        torch.manual_seed(0)
        model = Model()
        names = [name for name, _ in model.named_parameters()]
        optimizer = adamw(model, train, EngineConfig(), "cpu", dict.fromkeys(names, factor))
        for rate in (0.1, 0.05):
            set_rate(optimizer, rate * (1.0 if factor == 0.5 else 0.5))
            model.zero_grad()
            sum((p**3).sum() for p in model.parameters()).backward()
            optimizer.step()
        into += [p.detach().clone() for p in model.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_weights_that_are_given_no_factor_stay_in_two_groups() -> None:
    train = TrainConfig(learning_rate=1e-3, weight_decay=0.1)
    groups = adamw(Model(), train, EngineConfig(), "cpu").param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(5, 0.1), (5, 0.0)]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=llrd", "method.llrd.decay=0"], "method.llrd.decay=0.0: it must be in (0, 1]"),
        (["method=slca", "method.slow_learner.factor=2"], "method.slow_learner.factor=2.0"),
    ],
)
def test_out_of_range(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_strategies(load(overrides).method)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
