"""Two tasks of five steps in fp32: every method at every ZeRO stage on 1 and 2 ranks is a plain
PyTorch loop. Weights are of order 1; the largest difference allowed is 2e-5."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from reference import EPS, Weights, read, train, train_lora
from safetensors.torch import load_file

from harness.compose import load
from harness.data.order import derive_seed
from harness.keys import plain

STEPS, BATCH, RATE = 5, 8, 1e-3
TOLERANCE = 2e-5
ZERO_STAGES = [0, 1, 2, 3]
WORLDS = [1, 2]
TASKS = ["copy", "count"]
METHODS = {
    "seqft": ["method=seqft"],
    "replay": ["method=replay", "method.ratio=0.5"],
    "lora_seqft": [
        "method=lora_seqft",
        "method.learning_rate_factor=1",
        "method.adapter.rank=4",
        "method.adapter.dropout=0",
    ],
}


def start_adapter(model: Path) -> Weights:
    """Initial A of every adapted module, as stage 1 with seed 0 draws it; B starts at zero."""
    from harness.engine.ranks import seed_everything
    from harness.modeling import load_model, new_adapter

    config = load([*METHODS["lora_seqft"], f"model.path={model}"])
    seed_everything(derive_seed("stage", 0, 1))
    adapted = new_adapter(load_model(config.model, model, "fp32"), config.method.adapter)
    end = ".lora_A.default.weight"
    return {
        name.removeprefix("base_model.model.").removesuffix(end): parameter.detach().clone()
        for name, parameter in adapted.named_parameters()
        if name.endswith(end)
    }


def reference(method: str, model: Path, data: Path) -> list[Weights]:
    """Weights after each task by the plain loop, under the names of the exported files."""
    stages = [(task, read(data, task)) for task in TASKS]
    if method == "lora_seqft":
        first = start_adapter(model)
        after = train_lora(model, stages, STEPS, BATCH, RATE, first, alpha=32.0)
        return [
            {f"base_model.model.{name}.weight": value for name, value in weights.items()}
            for weights in after
        ]
    if method == "replay":
        copy, count = stages[0][1], stages[1][1]
        source = random.Random(derive_seed("replay", 0, "copy"))
        replayed = sorted(source.sample(range(len(copy)), round(0.5 * len(copy))))
        stages[1] = ("count", count + [copy[i] for i in replayed])
    return train(model, stages, STEPS, BATCH, RATE)


@pytest.fixture(scope="module")
def places(tiny_model: Path, tiny_data: Path, tiny_conf: list[str]) -> list[str]:
    return [*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}"]


@pytest.fixture(scope="module", params=list(METHODS))
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def expected(method: str, tiny_model: Path, tiny_data: Path) -> list[Weights]:
    return reference(method, tiny_model, tiny_data)


@pytest.fixture(scope="module")
def trained(
    method: str, places: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[int, Path]:
    """Number of ranks -> folder with zero<stage>/<number>/; one launch a method and rank count."""
    return {
        world: _launch(
            world, [*places, *METHODS[method]], tmp_path_factory.mktemp(method), ZERO_STAGES
        )
        for world in WORLDS
    }


def _launch(world: int, overrides: list[str], out: Path, zero_stages: list[int]) -> Path:
    # Short rows: several a step, unevenly filled; the fifth step of plain training has one
    # example, so that a second rank is idle.
    frame = ["train.pack_tokens=100", f"train.max_steps={STEPS}", f"train.learning_rate={RATE}"]
    frame += [f"train.eps={EPS}"]
    plan = {
        "config": plain(load([*frame, *overrides])),
        "zero_stages": zero_stages,
        "tasks": TASKS,
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


def weights_of(folder: Path) -> Weights:
    return load_file(next(folder.glob("*model.safetensors")))


@pytest.mark.distributed
@pytest.mark.parametrize("zero_stage", ZERO_STAGES)
@pytest.mark.parametrize("world", WORLDS)
def test_equals_plain_pytorch(
    world: int, zero_stage: int, trained: dict[int, Path], expected: list[Weights]
) -> None:
    for number, wanted in enumerate(expected, start=1):
        found = weights_of(trained[world] / f"zero{zero_stage}" / str(number))
        assert wanted.keys() == found.keys()
        error = max(float((found[name] - wanted[name]).abs().max()) for name in wanted)
        print(f"ZeRO {zero_stage}, {world} ranks, task {number}: {error:.1e}")
        assert error <= TOLERANCE, f"largest difference {error:.1e} after task {number}"


@pytest.mark.distributed
def test_training_moved_the_weights(expected: list[Weights]) -> None:
    """The equality above is not that of untouched weights."""
    first, second = expected
    moved = max(float((second[name] - first[name]).abs().max()) for name in first)
    assert moved > 100 * TOLERANCE


@pytest.mark.distributed
def test_bf16_keeps_the_fp32_masters_through_a_stage(
    tiny_model: Path, places: list[str], tmp_path: Path
) -> None:
    """With a rate too small to move any fp32 weight, two bf16 stages give back the very weights
    they started from: nothing is rounded to bf16 on the way in or out."""
    overrides = [*places, "engine.precision=bf16", "train.learning_rate=1e-30"]
    out = _launch(2, overrides, tmp_path, [1, 2, 3])
    start = load_file(tiny_model / "model.safetensors")
    assert any((w.bfloat16().float() != w).any() for w in start.values())
    for zero_stage in (1, 2, 3):
        weights = load_file(out / f"zero{zero_stage}" / "2" / "model.safetensors")
        assert all((weights[name] == start[name]).all() for name in start), f"ZeRO {zero_stage}"
