"""SEEKR's maps: which heads and places are kept, and how maps are compared."""

import random
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.config.compose.compose import load
from harness.data.randomness import derive_seed
from harness.errors import ConfigError
from harness.methods import Example, Pass, RowId
from harness.methods.loading import load_strategies
from harness.methods.shared.attention_maps import chosen_heads, kept_maps, map_divergence, places
from harness.plan.checks.run import validate

EAGER = "model.attention=eager"
ROW = Example([1, 2, 3], [4, 5], id=RowId("a", 7))
STAGE: Any = SimpleNamespace(
    run_random=lambda name, *parts: random.Random(derive_seed(name, 0, *parts))
)


def test_heads_come_from_the_largest_layers_alone() -> None:
    """Layer 1 has the largest head, layers 0 and 2 the largest sums."""
    importance = torch.tensor([[3.0, 3.0], [5.0, 0.0], [4.0, 2.0]])
    assert chosen_heads(importance, 2, 3) == [(0, 0), (0, 1), (2, 0)]
    assert chosen_heads(importance, 3, 1) == [(1, 0)]
    assert chosen_heads(importance, 9, 99) == [*product(range(3), range(2))]


def test_places_are_drawn_once() -> None:
    some = places(STAGE, ROW, 3)
    assert some == places(STAGE, ROW, 3) == sorted(set(some))
    assert len(some) == 3
    assert places(STAGE, ROW, 0) == places(STAGE, ROW, 5) == [0, 1, 2, 3, 4]
    others = [places(STAGE, Example([1] * 20, [1], id=RowId("a", i)), 3) for i in range(9)]
    assert len({tuple(one) for one in others}) > 1


def attending(seed: int) -> Pass:
    """A packed row of two examples, ROW the second, in a model of two layers and two heads."""
    drawn = torch.Generator().manual_seed(seed)
    maps = {layer: torch.rand(1, 2, 8, 8, generator=drawn).softmax(-1) for layer in (0, 1)}
    first = Example([1], [2, 3], id=RowId("a", 1))
    spans = ((0, 0, 3), (0, 3, 8))
    batch = SimpleNamespace(members=(first, ROW), spans=spans, idle=False)
    return Pass(batch, torch.zeros(4, 3), attentions=maps)


@pytest.mark.parametrize("queries", [0, 2])
def test_the_divergence_is_a_mean_of_means(queries: int) -> None:
    """Two heads of layer 0 and one of layer 1: the layers weigh alike."""
    before, now, heads = attending(1), attending(2), [(0, 0), (0, 1), (1, 1)]
    old = kept_maps(STAGE, before, queries, heads)[1]["maps"]
    asked, found = places(STAGE, ROW, queries), []
    assert len(old) == 3 * len(asked) * 5
    for layer, head in heads:
        was, here = (one.attentions[layer][0, head, 3:, 3:][asked] for one in (before, now))
        found.append((was * (was.log() - (here + 1e-8).log())).sum(-1).mean())
    expected = ((found[0] + found[1]) / 2 + found[2]) / 2
    assert torch.allclose(map_divergence(STAGE, now, 1, heads, queries, old), expected)


def test_the_scripts_settings() -> None:
    seekr = load_strategies(load(["method=seekr_script", EAGER]).method)["seekr"]
    assert (seekr.first, seekr.queries, seekr.layers, seekr.heads) == (True, 0, 24, 128)
    assert (seekr.ratio, seekr.logits_weight, seekr.attention_weight) == (0.01, 0.5, 1e3)
    assert seekr.memory.head


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([], "reads attention weights, which model.attention=sdpa does not give; use model.att"),
        ([EAGER, "method.seekr.heads=0"], "method.seekr.heads=0: it must be 1 or more"),
        ([EAGER, "method.ratio=-1"], "method.seekr.ratio=-1.0: it must be in [0, 1]"),
        ([EAGER, "method.seekr.logits_weight=2"], "logits_weight=2.0: it must be in [0, 1]"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(load(["method=seekr", *overrides]))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
