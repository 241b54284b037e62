"""Activations that are computed again in the backward pass change no strategy that looks at a
forward pass: weights after two tasks are those of a run that keeps them. Two ranks, one launch."""

from itertools import product
from pathlib import Path

import pytest
from launch import cell, launch, why_failed
from matrix import ADAPTERS, MATRIX
from safetensors.torch import load_file
from support.places import REPOSITORY

TOLERANCE = 1e-6
# A strategy that reads hidden states, a file of a user's own (tests/methods/examples).
HIDDEN = "+method.hidden={_target_: hidden_distance.HiddenDistance, strength: 30, layer: 1}"
# Those that look at a forward pass or run one of their own; the others see gradients and weights.
FULL = ("seqft", "agem", "gem", "ewc", "migu", "lwf", "gere", "seekr")
LORA = ("seqft", "migu", "lwf", "o_lora_paper")
METHODS = {
    **{f"{row}-full": MATRIX[row].overrides for row in FULL},
    **{f"{row}-lora": (*MATRIX[row].overrides, *ADAPTERS["lora"]) for row in LORA},
    "hidden-full": ("method=seqft", HIDDEN),
    **{f"{row}-t5": MATRIX[f"t5_{row}"].overrides for row in ("seqft", "migu")},
}
AT_ZERO_3 = ("gem-full", "migu-full", "lwf-full", "o_lora_paper-lora", "hidden-full")
AT_ZERO_3 += ("migu-t5", "seekr-full")
CASES = [*((name, 2) for name in METHODS), *((name, 3) for name in AT_ZERO_3)]
TASKS = ("copy", "count")
pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def out(
    tiny_model: Path,
    tiny_t5: Path,
    tiny_data: Path,
    tiny_conf: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    place = tmp_path_factory.mktemp("checkpointing")
    places = [*tiny_conf, f"data.root={tiny_data}"]
    cells = []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "tests/methods/examples")
        patch.setenv("HARNESS_ALLOW_CODE", "hidden_distance")
        for (name, zero), again in product(CASES, (False, True)):
            model = tiny_t5 if name.endswith("-t5") else tiny_model
            words = [*places, f"model.path={model}", *METHODS[name]]
            words.append(f"engine.gradient_checkpointing={str(again).lower()}")
            cells.append(cell(words, TASKS, zero, place / f"{name}-{zero}-{again}"))
        launch(2, cells, place)
    return place


@pytest.mark.parametrize(("name", "zero"), CASES)
def test_weights_are_the_same(name: str, zero: int, out: Path) -> None:
    for task in ("1", "2"):
        kept, again = (
            load_file(next((folder / task).glob("*model.safetensors")))
            for folder in (finished(out / f"{name}-{zero}-{again}") for again in (False, True))
        )
        assert kept.keys() == again.keys()
        assert max(float((kept[key] - again[key]).abs().max()) for key in kept) <= TOLERANCE


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("seqft")])
def test_each_of_them_does_something(name: str, out: Path) -> None:
    """Or there would be nothing to compare: weights are not those of sequential fine-tuning."""
    plain = load_file(weights(finished(out / f"seqft-{name.rpartition('-')[2]}-2-True")))
    mine = load_file(weights(finished(out / f"{name}-2-True")))
    different = mine.keys() != plain.keys() or any(
        mine[key].shape != plain[key].shape or not mine[key].equal(plain[key]) for key in mine
    )
    assert different


def weights(folder: Path) -> Path:
    return next((folder / "2").glob("*model.safetensors"))


def finished(folder: Path) -> Path:
    if not (folder / "done").exists():
        pytest.fail(f"{folder.name}: {why_failed(folder)}")
    return folder
