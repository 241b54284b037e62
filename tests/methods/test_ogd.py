"""OGD's projection by hand on two weights, and what it says of itself."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods.ogd import OGD, _true_logits
from harness.plan.checks.run import validate
from harness.plan.memory.training import setting_of


class View:
    device = "cpu"

    def __init__(self, gradient: list[float]) -> None:
        self.grad = {"a": torch.tensor(gradient[:2]), "b": torch.tensor(gradient[2:])}

    def gradients(self) -> dict[str, torch.Tensor]:
        return {name: values.clone() for name, values in self.grad.items()}

    def update_gradients(self, change: Any) -> None:
        self.grad = {name: change(SimpleNamespace(name=name)) for name in self.grad}

    def sum_over_shards(self, value: torch.Tensor) -> torch.Tensor:
        return value


def test_what_lies_along_the_basis_is_taken_away() -> None:
    """Off (1, 0, 0) and (0, 0.6, 0.8) the gradient (3, 4, 0) is (0, 2.56, -1.92)."""
    view, ogd = View([3.0, 4.0, 0.0]), OGD()
    ogd.basis = [
        {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([0.0])},
        {"a": torch.tensor([0.0, 0.6]), "b": torch.tensor([0.8])},
    ]
    stage = SimpleNamespace(view=view)
    ogd.gradients(stage)
    torch.testing.assert_close(view.grad["a"], torch.tensor([0.0, 2.56]))
    torch.testing.assert_close(view.grad["b"], torch.tensor([-1.92]))
    removed = (3**2 + 2.4**2) ** 0.5 / 5
    assert ogd.figures(stage) == {"projected_share": pytest.approx(removed)}


def test_the_logit_is_that_of_the_true_token() -> None:
    batch = SimpleNamespace(targets=torch.tensor([2, 0]))
    made = SimpleNamespace(logits=torch.tensor([[1.0, 2, 3], [4, 5, 6]]), batch=batch)
    assert _true_logits(made).tolist() == [3.0, 4.0]


def test_memory_grows_with_the_tasks() -> None:
    """At the last of eight tasks: seven times three copies, and the three that it adds."""
    setting = setting_of(load(["method=ogd", "method.ogd.memories=3"]), 2, cuda=False)
    assert (setting.copies, setting.host_copies) == (1, 24)
    setting = setting_of(load(["method=ogd", "method.ogd.memories=0"]), 2, cuda=False)
    assert (setting.copies, setting.host_copies) == (0, 0)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=ogd", "method.ogd.memories=-1"], "method.ogd.memories=-1: it must be 0 or more"),
        (["method=ogd", "method.ogd.of=logits"], "expected one of [logit, loss]"),
        (["method=[agem,ogd]"], "are both a gradient projection; choose one"),
        (["method=[ogd,ewc]"], "list it first, method=[ewc,ogd]"),
        (["method=[lora_stack,ogd]"], "use method.adapter.between_tasks=keep"),
        (["method=[single,ogd]"], "it works with earlier tasks"),
    ],
)
def test_refusals(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(load(overrides))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
