"""CIA's share of a step in the average, by hand, and what it does not depend on."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.methods.cia import CIA, Form


class View:
    """Tensors on one rank, whose weights and gradients a test sets."""

    device = "cpu"

    def __init__(self, **weights: list[float]) -> None:
        self.held = {name: torch.tensor(values) for name, values in weights.items()}
        self.grads: dict[str, torch.Tensor] = {}
        self.shapes = {name: value.shape for name, value in self.held.items()}

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.held.items()}

    def gradients(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.grads.items()}

    def shards(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=n, weight=v.clone()) for n, v in self.held.items()]

    def sum_over_shards(self, value: Any) -> Any:
        return value

    sum_over_ranks = sum_over_shards


def step(mine: CIA, stage: Any, grad: list[float], weight: list[float]) -> float:
    stage.view.grads = {"a": torch.tensor(grad)}
    mine.gradients(stage)
    stage.view.held["a"] = torch.tensor(weight)
    mine.weights(stage)
    return mine.figures(stage)["average_share"]


def ran(form: Form, scale: float = 1.0, unit: float = 1.0, copies: int = 1) -> float:
    """The share at the second step, of a loss `scale` times as large, weights in another unit, and
    a tensor that holds everything `copies` times."""
    mine = CIA(form)
    view = View(a=[0.0, 0.0] * copies)
    stage = SimpleNamespace(view=view, position=2)
    mine.start(stage)

    def times(values: list[float], by: float) -> list[float]:
        return [by * value for value in values * copies]

    step(mine, stage, times([4.0, -8.0], scale / unit), times([-1.0, 1.0], unit))
    return step(mine, stage, times([2.0, -6.0], scale / unit), times([-4.0, 5.0], unit))


def test_by_hand() -> None:
    """The first step takes 0.01 of (-1, 1). |g| = 8, |g - g'| = 4, |theta - average| = 8.98,
    |theta - theta'| = 7: 2 * 9 / (8.98 * 4), and 8 * 7 / (8.98 * 4) is above 1."""
    assert ran(Form.published) == pytest.approx(18 / (8.98 * 4))
    assert ran(Form.invariant) == 0.01


def test_the_invariant_share_does_not_depend_on_scales_and_sizes() -> None:
    def share(form: Form, **options: float) -> float:
        mine = CIA(form)
        copies, scale = int(options.get("copies", 1)), options.get("scale", 1.0)
        unit = options.get("unit", 1.0)
        view = View(a=[0.0] * copies)
        stage = SimpleNamespace(view=view, position=2)
        mine.start(stage)
        step(mine, stage, [9.0 * scale / unit] * copies, [10.0 * unit] * copies)
        return step(mine, stage, [3.0 * scale / unit] * copies, [12.0 * unit] * copies)

    value = 3 * 2 / (11.9 * 6)
    for options in ({}, {"copies": 100}, {"scale": 50.0}, {"unit": 0.01}):
        assert share(Form.invariant, **options) == pytest.approx(value)
    few, many = (share(Form.published, copies=n) for n in (10, 1000))
    assert few / many == pytest.approx(100, rel=0.05)


def test_the_first_task_is_not_averaged() -> None:
    mine, view = CIA(), View(a=[1.0])
    stage = SimpleNamespace(view=view, position=1)
    mine.start(stage)
    assert step(mine, stage, [1.0], [0.5]) == 0.0
    mine.finish(stage)  # the view has no way to change weights
    assert mine.running().sharded == {}
