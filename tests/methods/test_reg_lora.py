"""RegLoRA's places and penalty on one layer of two by two, by hand."""

from types import SimpleNamespace

import pytest
import torch

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods.loading import load_strategies
from harness.methods.n_lora import NLoRA
from harness.methods.reg_lora import RegLoRA

A, B = "layer.lora_A.default.weight", "layer.lora_B.default.weight"


class View:
    """One adapted layer on one rank."""

    device = "cpu"

    def __init__(self, a: list, b: list) -> None:
        self.held = {A: torch.tensor(a), B: torch.tensor(b)}
        self.grads = {name: torch.zeros_like(value) for name, value in self.held.items()}
        self.shapes = {name: value.shape for name, value in self.held.items()}

    def gather(self, name: str) -> torch.Tensor:
        return self.held[name].clone()

    def update_gradients(self, change) -> None:
        for name, grad in self.grads.items():
            shard = SimpleNamespace(name=name, grad=grad.clone(), cut=lambda whole: whole)
            new = change(shard)
            self.grads[name] = grad if new is None else new


def stage(a: list, b: list) -> SimpleNamespace:
    return SimpleNamespace(view=View(a, b))


def test_places_and_what_they_cost() -> None:
    """B A = ((1, -4), (3, 2)): half of it are -4 and 3. There the next update, ((5, 6), (-7, 8)),
    costs 10 times (6 + 7) / 2, and twice noted places count twice."""
    first, second = [[1.0, -4.0], [3.0, 2.0]], [[5.0, 6.0], [-7.0, 8.0]]
    one = [[1.0, 0.0], [0.0, 1.0]]
    mine = RegLoRA(strength=10.0, top=0.5)
    now = stage(first, one)
    assert mine.figures(now) == {"penalty": 0.0}
    mine.gradients(now)
    assert not now.view.grads[A].any()
    mine.measure(now)
    assert sorted(mine.places[A].tolist()) == [1, 2]
    now = stage(second, one)
    assert mine.figures(now) == {"penalty": 65.0}
    mine.gradients(now)
    # d/dA of 10 (|x_01| + |x_10|) / 2 with B = 1: signs times 5.
    assert now.view.grads[A].tolist() == [[0.0, 5.0], [-5.0, 0.0]]
    assert now.view.grads[B].tolist() == [[5 * 6.0, 5 * 8.0], [-5 * 5.0, 5 * 7.0]]
    mine.measure(now)  # the largest are 8 and -7
    assert mine.places[A].tolist()[2:] == [3, 2]
    assert mine.figures(now) == {"penalty": pytest.approx(10 * (6 + 7 + 8 + 7) / 4)}
    assert mine.state().tensors[A].dtype == torch.int32


def test_n_loras_figure_is_its_penalty() -> None:
    now = stage([[1.0, -4.0], [3.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
    assert NLoRA(strength=2.0).figures(now) == {"penalty": 20.0}


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method.reg_lora.top=0"], "method.reg_lora.top=0.0: it must be in (0, 1]"),
        (["method.reg_lora.strength=-1"], "method.reg_lora.strength=-1.0: it must be 0 or more"),
        (["method.adapter.between_tasks=keep"], "between_tasks=merge or stack"),
    ],
)
def test_wrong_parameters(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_strategies(load(["method=reg_lora", *overrides]).method)
    assert told in str(error.value)
