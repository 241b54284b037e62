"""The strategies' own figures, against what they do to a model of two weights on one rank."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.methods.agem import AGEM
from harness.methods.ewc import EWC
from harness.methods.gem import GEM
from harness.methods.hft import HFT, frozen_names
from harness.methods.l2 import L2
from harness.methods.lwf import LwF
from harness.methods.migu import MIGU


class View:
    """Two parameters, `a` and `b`, whose gradient a strategy may change."""

    device = "cpu"

    def __init__(self, weights: dict[str, Any], gradient: dict[str, Any] | None = None) -> None:
        self.held = {name: torch.tensor(values) for name, values in weights.items()}
        self.grads = {name: torch.tensor(v) for name, v in (gradient or weights).items()}
        self.past: list[dict[str, torch.Tensor]] = []

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.held.items()}

    def shards(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(name=name, weight=value.clone(), grad=self.grads[name].clone())
            for name, value in self.held.items()
        ]

    def sum_over_shards(self, value: float) -> float:
        return value

    sum_over_ranks = sum_over_shards

    def update_gradients(self, change: Any) -> None:
        self.grads |= {shard.name: change(shard) for shard in self.shards()}

    def gradient_of(self, examples: Any, host: bool = False) -> dict[str, torch.Tensor]:
        return self.past[examples]

    def products(self, others: list[dict[str, torch.Tensor]]) -> list[list[float]]:
        flat = [torch.cat([one["a"], one["b"]]).double() for one in [self.grads, *others]]
        return [[float(left @ right) for right in flat] for left in flat]

    def flat(self) -> torch.Tensor:
        return torch.cat([self.grads["a"], self.grads["b"]]).double()


def stage(view: View, step: int = 0) -> Any:
    return SimpleNamespace(view=view, step=step, learning_rate=0.1)


def test_penalties_of_distances() -> None:
    """From (1, 2 | 3) to (2, 0 | 3): squares 1, 4, 0. With F = (3, 1/2 | 9) they weigh 3 + 2."""
    view = View({"a": [1.0, 2.0], "b": [3.0]})
    l2, ewc = L2(strength=0.5), EWC(strength=4.0)
    for one in (l2, ewc):
        one.start(stage(view))
    view.held["a"] = torch.tensor([2.0, 0.0])
    distance = 5**0.5
    assert l2.figures(stage(view)) == pytest.approx({"penalty": 0.25 * 5, "distance": distance})
    assert ewc.figures(stage(view)) == pytest.approx({"penalty": 0, "distance": distance})
    ewc.importance = {"a": torch.tensor([3.0, 0.5]), "b": torch.tensor([9.0])}
    assert ewc.figures(stage(view)) == pytest.approx({"penalty": 2 * 5, "distance": distance})


@pytest.mark.parametrize(
    "past", [[[-1.0, 0.5, 0.0]], [[-1.0, 0.5, 0.0], [0.3, -2.0, 1.0]], [[1.0, 1.0, 1.0]]]
)
@pytest.mark.parametrize("kind", [AGEM, GEM])
def test_the_projected_share_is_that_of_the_gradient(kind: Any, past: list[list[float]]) -> None:
    view = View({"a": [0.0, 0.0], "b": [0.0]}, {"a": [2.0, 1.0], "b": [0.5]})
    view.past = [
        {"a": torch.tensor(one[:2]), "b": torch.tensor(one[2:])} for one in past
    ]  # fmt: skip
    strategy, before = kind(), view.flat()
    names = [*range(len(past))]
    first = SimpleNamespace(tasks=names, draw=lambda stage, count, name=-1: name)
    strategy.memory = first
    strategy.removed = 0.7  # of a step before
    strategy.gradients(stage(view))
    moved = float((view.flat() - before).norm() / before.norm())
    assert strategy.figures(stage(view)) == pytest.approx({"projected_share": moved})
    assert (moved > 0) == (past[0][0] < 0)


def test_the_penalty_of_distillation_is_of_its_own_step() -> None:
    """Two passes of 2 and 1 answer tokens, with extra losses 1, 2 and 6; an idle rank adds none."""
    lwf, view = LwF(), View({"a": [0.0], "b": [0.0]})

    def made(idle: bool = False) -> Any:
        return SimpleNamespace(batch=SimpleNamespace(idle=idle))

    lwf._note(stage(view, 3), made(), torch.tensor([50.0]))
    lwf._note(stage(view, 4), made(), torch.tensor([1.0, 2.0]))
    lwf._note(stage(view, 4), made(), torch.tensor([6.0]))
    lwf._note(stage(view, 4), made(idle=True), torch.tensor([100.0]))
    assert lwf.figures(stage(view, 4)) == {"penalty": pytest.approx(3.0)}
    assert lwf.figures(stage(view, 5)) == {"penalty": 0.0}


def test_the_density_of_masks_is_counted() -> None:
    """Of 10 rows MIGU keeps 3 at 0.7: of 10 x 4 weights 12; the norm of 8 has no mask."""
    shapes = {"layer.weight": torch.Size([10, 4]), "norm.weight": torch.Size([8])}
    migu, place = MIGU(threshold=0.7), stage(SimpleNamespace(shapes=shapes))
    assert migu.figures(place) == {"mask_density": 1.0}
    migu.active, migu.watched = True, ["layer"]
    assert migu.figures(place) == {"mask_density": pytest.approx((12 + 8) / 48)}


def test_the_density_of_half_fine_tuning(tiny_model: Any) -> None:
    import random

    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    place = SimpleNamespace(position=2, run_random=lambda *parts: random.Random(5))
    hft = HFT()
    hft.prepare_model(place, model)
    parameters = dict(model.named_parameters())
    frozen = frozen_names({n: tuple(p.shape) for n, p in parameters.items()}, random.Random(5))
    left = sum(p.numel() for name, p in parameters.items() if name not in frozen)
    share = left / sum(p.numel() for p in parameters.values())
    assert hft.figures(place) == {"mask_density": share}
    assert 0.3 < share < 0.9
