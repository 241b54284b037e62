"""Norms and ranks of weight changes, against numpy and values worked out by hand."""

import json
import math
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.torch import save_file

from harness.errors import DataError
from harness.models.weights import updates
from harness.models.weights.updates import AFTER, BEFORE, effective_rank, layers

Weights = dict[str, torch.Tensor]


def folder_of(place: Path, weights: Weights) -> Path:
    place.mkdir()
    save_file(weights, place / "model.safetensors")
    (place / "config.json").write_text(json.dumps({"model_type": "toy", "num_hidden_layers": 2}))
    return place


@pytest.fixture
def before() -> Weights:
    made = torch.Generator().manual_seed(0)
    blocks = {
        f"model.layers.{index}.{name}": torch.randn(shape, generator=made)
        for index in (0, 1)
        for name, shape in (("up.weight", (6, 4)), ("norm.weight", (4,)))
    }
    ends = {"model.embed_tokens.weight": (9, 4), "model.norm.weight": (4,)}
    return blocks | {name: torch.randn(shape, generator=made) for name, shape in ends.items()}


def test_effective_rank_by_hand() -> None:
    assert effective_rank(torch.eye(5)) == pytest.approx(5)
    assert effective_rank(torch.outer(torch.arange(4.0), torch.ones(7))) == pytest.approx(1, 1e-5)
    # Singular values 3 and 1: shares 3/4 and 1/4.
    entropy = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert effective_rank(torch.tensor([[0.0, 3.0, 0.0], [1.0, 0.0, 0.0]])) == pytest.approx(
        math.exp(entropy)
    )
    assert effective_rank(torch.zeros(3, 2)) is None


@pytest.mark.parametrize("shape", [(30, 200), (200, 30), (1, 9)])
def test_effective_rank_is_that_of_numpy(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "PIECE", 300)  # several parts
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = numpy.linalg.svd(matrix.double().numpy(), compute_uv=False)
    shares = values / values.sum()
    assert effective_rank(matrix) == pytest.approx(numpy.exp(-(shares * numpy.log(shares)).sum()))


def test_layers_by_hand(before: Weights, tmp_path: Path) -> None:
    after = {name: value.clone() for name, value in before.items()}
    after["model.layers.1.up.weight"][0, 0] += 3.0  # one direction
    after["model.layers.1.norm.weight"] += 2.0  # four values: norm 4
    after["model.norm.weight"][1] -= 0.5
    old, new = folder_of(tmp_path / "old", before), folder_of(tmp_path / "new", after)
    found = {layer.name: layer for layer in layers(old, new)}
    assert list(found) == [BEFORE, "0", "1", AFTER]
    assert [layer.elements for layer in found.values()] == [36, 28, 28, 4]
    assert [layer.norm for layer in found.values()] == pytest.approx([0, 0, 5, 0.5], abs=1e-6)
    assert (found["1"].rank, found["1"].full) == (pytest.approx(1, abs=1e-4), 4)
    assert (found["0"].rank, found[AFTER].rank) == (None, None)
    first = [value.flatten() for name, value in before.items() if ".0." in name]
    assert found["0"].size == pytest.approx(float(torch.cat(first).norm()))


def test_an_adapter_changes_its_base_by_its_product(before: Weights, tmp_path: Path) -> None:
    base = folder_of(tmp_path / "base", before)
    name = "base_model.model.model.layers.0.up"
    stages = []
    for number in (1, 2):
        made = torch.Generator().manual_seed(number)
        factors = {
            f"{name}.lora_A.weight": torch.randn(2, 4, generator=made),
            f"{name}.lora_B.weight": torch.randn(6, 2, generator=made),
        }
        place = tmp_path / f"stage{number}"
        place.mkdir()
        save_file(factors, place / "adapter_model.safetensors")
        about = {"peft_type": "LORA", "r": 2, "lora_alpha": 6}
        (place / "adapter_config.json").write_text(json.dumps(about))
        stages.append(
            (place, 3 * factors[f"{name}.lora_B.weight"] @ factors[f"{name}.lora_A.weight"])
        )
    (one, first), (two, second) = stages
    [layer] = [layer for layer in layers(base, one, base) if layer.norm]
    assert layer.norm == pytest.approx(float(first.norm()), 1e-5)
    assert 1 < (layer.rank or 0) < 2.001
    [layer] = [layer for layer in layers(one, two, base) if layer.norm]
    assert layer.norm == pytest.approx(float((second - first).norm()), 1e-5)
    assert 2.001 < (layer.rank or 0) <= 4
    with pytest.raises(DataError, match="is an adapter, whose base model is not here"):
        layers(one, two)


def test_models_that_do_not_fit_each_other_are_refused(before: Weights, tmp_path: Path) -> None:
    old = folder_of(tmp_path / "old", before)
    new = folder_of(tmp_path / "new", before | {"model.norm.weight": torch.ones(5)})
    with pytest.raises(DataError, match=r"model\.norm\.weight has shape \(5,\)"):
        layers(old, new)
