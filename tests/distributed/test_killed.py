"""A stage that is killed in its middle goes on from its last checkpoint and ends with the bytes of
one that was not: real processes, ended by SIGKILL. One launch; every stage is a forked process."""

import json
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import pytest
from launch import FRAME, run_ranks
from matrix import ADAPTERS, MATRIX
from safetensors.torch import load_file
from support.places import REPOSITORY

from harness.config.compose.compose import load
from harness.config.plain import plain
from harness.train.checkpoint import FORMAT
from harness.train.leaving import LEAVE

ONE, TWO = ("copy",), ("copy", "count")
EVERY, STEPS = 2, 5
pytestmark = pytest.mark.distributed


@dataclass(frozen=True)
class Case:
    """again, fewer: further overrides and fewer ranks of the launch that goes on; its sums differ
    in their last digits then. killed: rank and step, by this signal. torn: the checkpoint in whose
    middle rank 0 is killed instead. full: the step behind which the disk takes no more. after: the
    step behind which it goes on. harm: a file of the checkpoint and what somebody writes there.
    says: what is told at the end of which steps besides."""

    zero: int
    overrides: tuple[str, ...] = ("method=seqft",)
    tasks: tuple[str, ...] = ONE
    again: tuple[str, ...] = ()
    ranks: int = 2
    fewer: int | None = None
    killed: tuple[int, int] = (1, 3)
    signal: int = SIGKILL
    torn: int = 0
    full: int = 0
    after: int = 2
    harm: tuple[str, str] | None = None
    says: tuple[int, str] | None = None

    @property
    def exact(self) -> bool:
        return not self.again and self.fewer is None


BF16 = ("engine.precision=bf16",)
DROPOUT = ("+method.adapter={kind: lora, rank: 4, alpha: 32, dropout: 0.1, targets: [q_proj]}",)
OWN = "+method.hidden={_target_: hidden_distance.HiddenDistance, strength: 30, layer: 1}"
UNUSED = "stage 1, copy: its checkpoint at step 2 cannot be used: "
FULL = "File too large; no more checkpoints of this stage: killed in it, a run goes on at step 2"
ALONE = {"ranks": 1, "killed": (0, 3), "after": 0}
CASES = {
    **{f"seqft-{zero}": Case(zero) for zero in (0, 1, 2, 3)},
    "bf16-2": Case(2, ("method=seqft", *BF16), killed=(0, 4)),
    "lora-bf16-3": Case(3, ("method=seqft", *ADAPTERS["lora"], *BF16)),
    "replay-dropout-1": Case(1, (*MATRIX["replay"].overrides, *DROPOUT), TWO),
    "ewc-offload-2": Case(2, (*MATRIX["ewc"].overrides, "engine.offload=optimizer"), TWO),
    "ema-3": Case(3, MATRIX["ema"].overrides, killed=(1, 5), after=4),
    "gem-2": Case(2, MATRIX["gem"].overrides, TWO),
    "carried-1": Case(1, ("method=seqft", "train.reset_optimizer=never"), TWO),
    "torn-2": Case(2, torn=2),
    "full-2": Case(2, ("method=seqft",), killed=(1, 5), full=4, says=(3, FULL)),
    "asked-2": Case(2, killed=(1, 3), signal=LEAVE, after=3),
    "fewer-2": Case(2, fewer=1),
    "other-2-3": Case(2, MATRIX["ewc"].overrides, TWO, ("engine.zero_stage=3",)),
    "other-0-2": Case(0, again=("engine.zero_stage=2", "engine.offload=optimizer")),
    "cut": Case(
        0,
        harm=("engine.safetensors", "short"),
        says=(0, f"{UNUSED}engine.safetensors is not what was written; it starts anew"),
        **ALONE,
    ),
    "later": Case(
        0,
        harm=("manifest.json", '{"format": 7, "files": {}}'),
        says=(0, f"{UNUSED}it is of format 7, this version reads {FORMAT}; it starts anew"),
        **ALONE,
    ),
    "own": Case(
        0,
        ("method=seqft", OWN),
        says=(
            EVERY,
            "stage 1, copy: HiddenDistance cannot say what a step needs of those before it (hook "
            "running); killed in this stage, a run begins it anew",
        ),
        **ALONE,
    ),
}


def launches(case: Case, places: list[str]) -> list[dict]:
    def config(*more: str) -> dict:
        words = [*FRAME, *places, *case.overrides, f"train.checkpoint_steps={EVERY}"]
        words += ["train.checkpoint_minutes=null", f"engine.zero_stage={case.zero}"]
        return plain(load([*words, *more]))

    plainly = {"world": case.ranks, "config": config(), "killed": None, "torn": 0, "harm": None}
    plainly |= {"full": 0, "signal": case.signal}
    killed = {"torn": case.torn} if case.torn else {"killed": case.killed, "full": case.full}
    again = {
        "full": case.full,
        "world": case.fewer or case.ranks,
        "config": config(*case.again),
        "harm": case.harm,
    }
    return [
        plainly | {"name": "whole", "keeps": False},
        plainly | {"name": "broken", "keeps": True} | killed,
        plainly | {"name": "again", "keeps": True} | again,
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
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "tests/methods/examples")
        patch.setenv("HARNESS_ALLOW_CODE", "hidden_distance")
        for name, case in CASES.items():
            (place / name).mkdir()
            cell = {"out": str(place / name), "tasks": case.tasks}
            cells.append(cell | {"launches": launches(case, places)})
        codes = run_ranks("checkpoint_rank.py", 2, {"cells": cells}, place)
    assert codes == [0, 0], (place / "rank0.log").read_text()[-3000:]
    return place


@pytest.mark.parametrize("name", CASES)
def test_a_killed_stage_ends_as_if_it_had_not_been(name: str, out: Path) -> None:
    case, place = CASES[name], out / name
    for launch in ("whole", "again"):
        assert (place / f"{launch}.0.code").read_text() == "0", why(place, launch)
    dead = 0 if case.torn else case.killed[0]
    code = "1" if case.signal == LEAVE else "-9"
    assert (place / f"broken.{dead}.code").read_text() == code, why(place, "broken")
    said = json.loads((place / "again.0.said").read_text())
    expected = [f"{done} of {STEPS}" for done in range(case.after + 1, STEPS + 1)]
    if case.after:
        where = f"stage {len(case.tasks)}, {case.tasks[-1]}"
        expected.insert(0, f"{where}: goes on at step {case.after} of {STEPS}")
    if case.says:
        expected.insert(*case.says)
    assert len(said) == len(expected)
    assert all(line.endswith(end) for line, end in zip(said, expected, strict=True)), said
    equal(place / "whole", place / "again", case.exact)


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
