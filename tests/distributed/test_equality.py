"""Two tasks of five steps in fp32: every ZeRO stage on 1 and 2 ranks is the plain PyTorch loop."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from reference import train
from safetensors.torch import load_file

from harness.compose import load
from harness.keys import plain

STEPS, BATCH, RATE = 5, 8, 1e-3
TOLERANCE = 2e-5
ZERO_STAGES = [0, 1, 2, 3]
CELLS = [(world, zero_stage) for world in (1, 2) for zero_stage in ZERO_STAGES]


@pytest.fixture(scope="module")
def reference(tiny_model: Path, tiny_data: Path) -> list[dict]:
    return train(tiny_model, tiny_data, ["copy", "count"], STEPS, BATCH, RATE, seed=0)


@pytest.fixture(scope="module")
def trained(
    tiny_model: Path,
    tiny_data: Path,
    tiny_conf: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[int, Path]:
    """Number of ranks -> folder with zero<stage>/<number>/ models; one launch a rank count."""
    places = [f"model.path={tiny_model}", f"data.root={tiny_data}"]
    return {
        world: _launch(world, [*tiny_conf, *places], tmp_path_factory.mktemp("cells"), ZERO_STAGES)
        for world in (1, 2)
    }


def _launch(world: int, overrides: list[str], out: Path, zero_stages: list[int]) -> Path:
    # Short rows: several a step, unevenly filled; the fifth step has one example, so that a
    # second rank is idle.
    config = load(
        [
            "train.pack_tokens=100",
            f"train.max_steps={STEPS}",
            *overrides,
        ]
    )
    plan = {
        "config": plain(config),
        "zero_stages": zero_stages,
        "tasks": ["copy", "count"],
        "out": str(out),
        "rendezvous": str(out / "rendezvous"),
    }
    (out / "plan.json").write_text(json.dumps(plan))
    ranks = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("cells.py")), str(out / "plan.json")],
            env=os.environ
            | {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(world),
                "PYTHONPATH": str(REPOSITORY),
            },
            stdout=(out / f"rank{rank}.log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        for rank in range(world)
    ]
    for rank, process in enumerate(ranks):
        assert process.wait(300) == 0, (out / f"rank{rank}.log").read_text()[-3000:]
    return out


@pytest.mark.distributed
@pytest.mark.parametrize(("world", "zero_stage"), CELLS)
def test_equals_plain_pytorch(
    world: int, zero_stage: int, trained: dict[int, Path], reference: list[dict]
) -> None:
    for number, expected in enumerate(reference, start=1):
        folder = trained[world] / f"zero{zero_stage}" / str(number)
        weights = load_file(folder / "model.safetensors")
        assert expected.keys() == weights.keys()
        error = max(float((weights[name] - expected[name]).abs().max()) for name in expected)
        assert error <= TOLERANCE, f"largest difference {error:.1e} after task {number}"


@pytest.mark.distributed
def test_training_moved_the_weights(tiny_model: Path, reference: list[dict]) -> None:
    """The equality above is not that of untouched weights."""
    start = load_file(tiny_model / "model.safetensors")
    moved = max(float((reference[-1][name] - start[name]).abs().max()) for name in start)
    assert moved > 100 * TOLERANCE


@pytest.mark.distributed
def test_bf16_keeps_the_fp32_masters_through_a_stage(
    tiny_model: Path, tiny_data: Path, tiny_conf: list[str], tmp_path: Path
) -> None:
    """With a rate too small to move any fp32 weight, two bf16 stages give back the very weights
    they started from: nothing is rounded to bf16 on the way in or out."""
    overrides = [*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}"]
    overrides += ["engine.precision=bf16", "train.learning_rate=1e-30"]
    out = _launch(2, overrides, tmp_path, [1, 2, 3])
    start = load_file(tiny_model / "model.safetensors")
    assert any((w.bfloat16().float() != w).any() for w in start.values())
    for zero_stage in (1, 2, 3):
        weights = load_file(out / f"zero{zero_stage}" / "2" / "model.safetensors")
        assert all((weights[name] == start[name]).all() for name in start), f"ZeRO {zero_stage}"
