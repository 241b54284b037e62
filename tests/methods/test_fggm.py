"""FGGM's scores and masks by hand, on one matrix cut to two shards and one that is transposed."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods.fggm import FGGM, Normalise, Scope
from harness.plan.checks.run import validate
from harness.train.engine.view import Shard

WIDE, NARROW = (
    "layers.0.wide.weight",
    "layers.1.narrow.weight",
)  # [2, 4] and, as [inputs, 3], [1, 3]
SHAPES = {WIDE: torch.Size([2, 4]), NARROW: torch.Size([1, 3])}
FISHER = {WIDE: [1.0, 1, 1, 1, 2, 2, 2, 2], NARROW: [3.0, 5, 7]}


class View:
    """Whole shards, or those of the second of two ranks with the sums of the first."""

    device, shapes = "cpu", SHAPES

    def __init__(self, cut: int = 0) -> None:
        self.cut = cut
        self.fisher = {
            name: torch.tensor(v)[cut if name == WIDE else 0 :] for name, v in FISHER.items()
        }

    def shards(self) -> list[Shard]:
        spans = {WIDE: (self.cut, 8), NARROW: (0, 3)}
        return [Shard(self, name, None, *spans[name]) for name in SHAPES]  # type: ignore[arg-type]

    def sum_over_shards(self, mine: torch.Tensor) -> torch.Tensor:
        first = torch.tensor([min(self.cut, 4) * 1.0, max(self.cut - 4, 0) * 2.0, 0, 0, 0])
        return mine + first


@pytest.mark.parametrize("cut", [0, 3, 6])
def test_scores(cut: int) -> None:
    view = View(cut)
    for normalise, wide in ((Normalise.sum, [4.0, 8.0]), (Normalise.mean, [1.0, 2.0])):
        fggm = FGGM(normalise=normalise)
        fggm.transposed = {NARROW}
        scores = fggm._scores(view, view.fisher)  # type: ignore[arg-type]
        assert {n: s.tolist() for n, s in scores.items()} == {WIDE: wide, NARROW: [3, 5, 7]}


@pytest.mark.parametrize(
    ("normalise", "scope", "wide", "narrow"),
    [
        ("sum", "global", [0, 1], [0, 1, 1]),  # of 3 4 5 7 8 two are masked
        ("mean", "global", [0, 0], [1, 1, 1]),  # of 1 2 3 5 7
        ("sum", "per_tensor", [1, 1], [0, 1, 1]),  # int(0.4 * 2) = 0 of two, 1 of three
    ],
)
def test_masks(
    monkeypatch: Any, normalise: str, scope: str, wide: list[int], narrow: list[int]
) -> None:
    view = View()
    monkeypatch.setattr("harness.methods.fggm.mean_square", lambda stage, groups: view.fisher)
    monkeypatch.setattr("harness.methods.fggm.drawn", lambda *given: [])
    fggm = FGGM(threshold=0.4, normalise=Normalise[normalise], scope=Scope[scope])
    fggm.transposed = {NARROW}
    fggm.start(SimpleNamespace(view=view, position=2))
    assert {n: m.tolist() for n, m in fggm.masks.items()} == {WIDE: wide, NARROW: narrow}
    kept = (4 * sum(wide) + sum(narrow)) / 11
    assert fggm.figures(SimpleNamespace(view=view)) == {"mask_density": pytest.approx(kept)}


def test_the_first_task_has_no_masks() -> None:
    fggm = FGGM()
    fggm.start(SimpleNamespace(view=None, position=1))
    assert fggm.masks == {}


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=fggm", "method.fggm.threshold=1"], "method.fggm.threshold=1.0"),
        (["method=fggm", "method.fggm.num_samples=0"], "method.fggm.num_samples=0"),
        (["method=fggm", "method.fggm.scope=model"], "expected one of [global, per_tensor]"),
        (["method=[lora_stack,fggm]"], "use method.adapter.between_tasks=keep"),
        (["method=[fggm,l2]"], "list it first, method=[l2,fggm]"),
    ],
)
def test_refusals(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(load(overrides))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
