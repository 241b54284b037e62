"""A stage that runs out of memory goes on with smaller passes and ends, to rounding, as if there
had been enough. The kernel refuses the memory (a limit of the address space); ranks are real."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from launch import FRAME, run_ranks
from matrix import ADAPTERS, MATRIX
from test_killed import equal, why

from harness.config.compose.compose import load
from harness.config.plain import plain

EVERY, STEPS = 2, 5
# Answer tokens of the task `copy` in a pass, of which each takes 64 MB: a packed row of up to 100
# tokens has 33 to 36 of them in the steps 3 and 4, one of up to 57 (the longest example) 24; four
# padded rows 76 to 80, two of them 44 and unsorted at most 48.
PACKED, PADDED = 30 * 64, 60 * 64
SEQFT, PAD = ("method=seqft",), "train.packing=never"
pytestmark = pytest.mark.distributed


@dataclass(frozen=True)
class Case:
    """room: MB that there are after step 2. least: with rows of one example from the beginning."""

    zero: int
    overrides: tuple[str, ...] = SEQFT
    room: int = PACKED
    tasks: tuple[str, ...] = ("copy",)
    least: bool = False

    @property
    def padded(self) -> bool:
        return self.room != PACKED


CASES = {
    **{f"packed-{zero}": Case(zero) for zero in (0, 2, 3)},
    "padded-2": Case(2, (*SEQFT, PAD), PADDED),
    "padded-3": Case(3, (*SEQFT, PAD), PADDED),
    "alike-0": Case(0, (*SEQFT, "train.loss_norm=micro_batch"), PADDED),
    "lora-3": Case(3, (*SEQFT, *ADAPTERS["lora"])),
    "ewc-2": Case(2, MATRIX["ewc"].overrides, tasks=("count", "copy")),
    "least-2": Case(2, (*SEQFT, PAD, "train.micro_batch_size=1"), 10 * 64, least=True),
}
HALVED = [name for name, case in CASES.items() if not case.least]


def launches(case: Case, places: list[str]) -> list[dict]:
    words = [*FRAME, *places, *case.overrides, f"engine.zero_stage={case.zero}"]
    words += [f"train.checkpoint_steps={EVERY}", "train.checkpoint_minutes=null"]
    words += ["train.objective={_target_: wide.Wide}"]
    plainly = {"world": 2, "config": plain(load(words)), "killed": None, "torn": 0, "harm": None}
    plainly |= {"full": 0, "signal": 0}
    short = plainly | {"keeps": True, "short": (EVERY, case.room)}
    return [
        plainly | {"name": "whole", "keeps": False},
        short | {"name": "short"},
        *([] if case.least else [short | {"name": "again", "halvings": 1}]),
    ]


@pytest.fixture(scope="module")
def out(
    tiny_model: Path,
    tiny_data: Path,
    tiny_conf: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    place = tmp_path_factory.mktemp("short")
    places = [*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}"]
    cells = []
    for name, case in CASES.items():
        (place / name).mkdir()
        cell = {"out": str(place / name), "tasks": case.tasks}
        cells.append(cell | {"launches": launches(case, places)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_ALLOW_CODE", "wide")
        codes = run_ranks("checkpoint_rank.py", 2, {"cells": cells}, place)
    assert codes == [0, 0], (place / "rank0.log").read_text()[-3000:]
    return place


@pytest.mark.parametrize("name", HALVED)
def test_it_goes_on_with_smaller_passes(name: str, out: Path) -> None:
    case, place = CASES[name], out / name
    rows = "4 padded rows of" if case.padded else "one packed row of"
    assert ended(place, "OutOfMemory", f"memory does not hold a step with {rows} ")
    assert (place / "again.0.code").read_text() == "0", why(place, "again")
    most = "2 rows instead of 4" if case.padded else "50 tokens instead of 100"
    where = f"stage {len(case.tasks)}, copy"
    line = f"{where}: a pass takes at most {most}, since more did not fit into memory"
    assert json.loads((place / "again.0.said").read_text()) == [
        line,
        f"{where}: goes on at step {EVERY} of {STEPS}",
        *(f"{done} of {STEPS}" for done in range(EVERY + 1, STEPS + 1)),
    ]
    report = json.loads((place / "again/training.json").read_text())
    assert (report["halvings"], report["notices"]) == (1, [line])
    assert "halvings" not in json.loads((place / "whole/training.json").read_text())
    equal(place / "whole", place / "again", exact=False)


def test_one_that_cannot_be_smaller_says_what_may_help(out: Path) -> None:
    lines = ended(out / "least-2", "StageFailed", "memory does not hold a step with one padded row")
    assert lines[0].partition(" tokens in a pass, ")[2] == (
        "the least there can be; use engine.gradient_checkpointing=true or engine.zero_stage=3 or "
        "engine.zero_stage=3 engine.offload=all or a lower max_prompt_tokens or max_answer_tokens "
        "or a device with more memory (`harness plan` reckons what fits)"
    )


def ended(place: Path, kind: str, begins: str) -> list[str]:
    """What ranks said of memory that ended behind step 2; both end, at least one by this."""
    assert (place / "whole.0.code").read_text() == "0", why(place, "whole")
    codes = [(place / f"short.{rank}.code").read_text() for rank in (0, 1)]
    assert codes == ["1", "1"], why(place, "short")
    said = [line for path in place.glob("short.*.log") for line in path.read_text().splitlines()]
    assert any("can't allocate memory" in line for line in said)
    lines = [line.partition(f"harness.errors.{kind}: ")[2] for line in said]
    return [line for line in lines if line.startswith(begins)]
