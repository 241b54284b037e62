"""A stage that is killed in its middle goes on from its last checkpoint and ends with the bytes of
one that was not: real processes, ended by SIGKILL. One launch; every stage is a forked process."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from launch import FRAME, run_ranks
from matrix import ADAPTERS, MATRIX
from safetensors.torch import load_file

from harness.config.compose.compose import load
from harness.config.plain import plain

LORA = ADAPTERS["lora"]
TASKS = ("copy", "count")
EVERY, STEPS = 2, 5
pytestmark = pytest.mark.distributed


@dataclass(frozen=True)
class Case:
    """again: overrides of the launch that goes on; then its sums differ in their last digits.
    killed: rank and step. torn: the checkpoint at which rank 0 is killed instead. after: the step
    behind which it goes on."""

    zero: int
    overrides: tuple[str, ...] = ("method=seqft",)
    again: tuple[str, ...] = ()
    world: int = 2
    killed: tuple[int, int] = (1, 3)
    torn: int = 0
    after: int = 2


BF16 = ("engine.precision=bf16",)
DROPOUT = ("+method.adapter={kind: lora, rank: 4, alpha: 32, dropout: 0.1, targets: [q_proj]}",)
CASES = {
    **{f"seqft-{zero}": Case(zero) for zero in (0, 1, 2, 3)},
    "bf16-1": Case(1, ("method=seqft", *BF16)),
    "bf16-2": Case(2, ("method=seqft", *BF16), killed=(0, 4)),
    "bf16-3": Case(3, ("method=seqft", *BF16)),
    "freeze-bf16-2": Case(2, ("method=freeze", *BF16)),
    "lora-2": Case(2, ("method=seqft", *LORA)),
    "lora-bf16-3": Case(3, ("method=seqft", *LORA, *BF16)),
    "dropout-1": Case(1, ("method=seqft", *DROPOUT)),
    "offload-2": Case(2, ("method=seqft", "engine.offload=optimizer")),
    "offload-3": Case(3, ("method=seqft", "engine.offload=all")),
    "replay-1": Case(1, ("method=seqft", "+method.replay={_target_: replay, ratio: 0.5}")),
    "ewc-2": Case(2, MATRIX["ewc"].overrides),
    "ema-3": Case(3, MATRIX["ema"].overrides, killed=(1, 5), after=4),
    "gem-2": Case(2, MATRIX["gem"].overrides),
    "lwf-0": Case(0, MATRIX["lwf"].overrides),
    "sfa-reset-1": Case(1, MATRIX["sfa_initial_reset"].overrides),
    "o_lora-2": Case(2, (*MATRIX["o_lora_paper"].overrides, *LORA)),
    "carried-1": Case(1, ("method=seqft", "train.reset_optimizer=never")),
    "carried-3": Case(3, ("method=seqft", "train.reset_optimizer=never")),
    "torn-2": Case(2, torn=2),
    "torn-first-2": Case(2, torn=1, after=0),
    "fewer-2": Case(2, world=1),
    "fewer-0": Case(0, world=1),
    "other-2-3": Case(2, MATRIX["ewc"].overrides, ("engine.zero_stage=3",)),
    "other-3-0": Case(3, again=("engine.zero_stage=0",)),
    "other-0-2": Case(0, again=("engine.zero_stage=2", "engine.offload=optimizer")),
}


def launches(case: Case, places: list[str]) -> list[dict]:
    def config(*more: str) -> dict:
        words = [*FRAME, *places, *case.overrides, f"train.checkpoint_steps={EVERY}"]
        made = load([*words, "train.checkpoint_minutes=null", "engine.oversubscribe=true"])
        made = replace(made, engine=replace(made.engine, zero_stage=case.zero))
        for word in more:
            name, value = word.removeprefix("engine.").split("=")
            kind = type(getattr(made.engine, name))
            made = replace(made, engine=replace(made.engine, **{name: kind(value)}))
        return plain(made)

    killed = None if case.torn else case.killed
    kept = {"world": 2, "config": config(), "keeps": True, "killed": killed, "torn": case.torn}
    again = {"world": case.world, "config": config(*case.again), "killed": None, "torn": 0}
    return [
        kept | {"name": "whole", "keeps": False, "killed": None, "torn": 0},
        kept | {"name": "broken"},
        kept | again | {"name": "again"},
    ]


@pytest.fixture(scope="module")
def out(
    tiny_model: Path,
    tiny_data: Path,
    tiny_conf: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    place = tmp_path_factory.mktemp("killed")
    places = [*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}"]
    cells = []
    for name, case in CASES.items():
        (place / name).mkdir()
        cell = {"out": str(place / name), "tasks": TASKS, "launches": launches(case, places)}
        cells.append(cell)
    codes = run_ranks("checkpoint_rank.py", 2, {"cells": cells}, place)
    assert codes == [0, 0], (place / "rank0.log").read_text()[-3000:]
    return place


@pytest.mark.parametrize("name", CASES)
def test_a_killed_stage_ends_as_if_it_had_not_been(name: str, out: Path) -> None:
    case, place = CASES[name], out / name
    for launch in ("whole", "again"):
        assert (place / f"{launch}.0.code").read_text() == "0", why(place, launch)
    ranks = [0, 1] if not case.torn else [0]
    codes = {rank: (place / f"broken.{rank}.code").read_text() for rank in ranks}
    assert codes[0 if case.torn else case.killed[0]] == "-9", why(place, "broken")
    said = json.loads((place / "again.0.said").read_text())
    steps = [f"{done} of {STEPS}" for done in range(case.after + 1, STEPS + 1)]
    goes_on = f"stage 2, count: goes on at step {case.after} of {STEPS}"
    assert said == ([goes_on] if case.after else []) + steps
    equal(place / "whole", place / "again", exact=case.world == 2 and not case.again)


def equal(whole: Path, again: Path, exact: bool) -> None:
    weights = [next(folder.glob("*model.safetensors")) for folder in (whole, again)]
    reports = [json.loads((folder / "training.json").read_text()) for folder in (whole, again)]
    for report in reports:
        assert report["cost"].pop("device_hours") > 0
        assert report["cost"].pop("peak_memory") > 0
    if exact:
        assert weights[0].read_bytes() == weights[1].read_bytes()
        assert reports[0] == reports[1]
        return
    first, second = (load_file(path) for path in weights)
    assert first.keys() == second.keys()
    assert max(float((first[name] - second[name]).abs().max()) for name in first) <= 1e-5
    losses = [[step["loss"] for step in report.pop("steps")] for report in reports]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert reports[0]["cost"] == reports[1]["cost"]


def why(place: Path, launch: str) -> str:
    return "\n".join(log.read_text()[-2000:] for log in sorted(place.glob(f"{launch}.*.log")))
