"""Refresh learning's noise, its weight of an answer, and the stacks that would lose something."""

from types import SimpleNamespace

import pytest
import torch

from harness.config.compose.compose import load
from harness.data.task_data import TaskData
from harness.errors import ConfigError
from harness.methods import refresh
from harness.methods.stage import Stage
from harness.plan.checks.run import validate


def test_noise_hangs_on_an_elements_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "CHUNK", 16)
    stage = Stage("task", 1, 0, SimpleNamespace(tasks=()), TaskData("task", []))
    stage.model_runs(SimpleNamespace(device="cpu"))
    stage.at_step(3)

    def noise(start: int, stop: int) -> torch.Tensor:
        shard = SimpleNamespace(name="w", start=start, stop=stop, shape=torch.Size([5, 10]))
        found = torch.full((stop - start,), torch.nan)
        for first, last, piece in refresh._noise(stage, shard):
            found[first:last] = piece
        return found

    whole = noise(0, 50)
    assert len(set(whole.tolist())) == 50
    for cut in (1, 16, 20, 31, 49):
        assert torch.equal(torch.cat([noise(0, cut), noise(cut, 50)]), whole)
    stage.at_step(4)
    assert not (noise(0, 50) == whole).any()


def test_squares_are_weighed_by_the_probability_of_the_answer() -> None:
    """Two tokens of probability 1/2 and 1/8: 1/4 a token, its root 1/2 times -log p of each."""
    logits = torch.tensor([[0.5, 0.5], [0.125, 0.875]]).log()
    made = SimpleNamespace(logits=logits, batch=SimpleNamespace(targets=torch.tensor([0, 0])))
    found = refresh._weighed_by_probability(made)
    torch.testing.assert_close(found, 0.5 * torch.tensor([2.0, 8.0]).log())


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("[lwf,refresh]", "method.lwf adds to the loss, and method.refresh goes on with"),
        ("[refresh,lwf]", "method.lwf adds to the loss, and method.refresh goes on with"),
        ("[l2,refresh]", "list it first, method=[refresh,l2]"),
        ("[migu,refresh]", "list it first, method=[refresh,migu]"),
        ("[lora_stack,refresh]", "use method.adapter.between_tasks=keep"),
    ],
)
def test_stacks_that_would_lose_a_gradient(method: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(load([f"method={method}"]))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "method", ["[refresh,l2]", "[refresh,agem]", "[replay,refresh]", "refresh"]
)
def test_stacks_that_keep_it(method: str) -> None:
    validate(load([f"method={method}"]))


@pytest.mark.parametrize("key", ["rate", "noise", "damping", "decay"])
def test_out_of_range(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"method.refresh.{key}=-1.0: it must be "):
        validate(load(["method=refresh", f"method.refresh.{key}=-1"]))
