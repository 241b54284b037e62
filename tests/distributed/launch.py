"""Start ranks for a list of cells; go on behind a cell that fails."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from plain import EPS, RATE, STEPS
from support.places import REPOSITORY

from harness.config.compose.compose import load
from harness.config.plain import plain

# Short rows: several a step, unevenly filled; the fifth step of plain training has one example, so
# that a second rank is idle.
FRAME = [f"train.max_steps={STEPS}", f"train.learning_rate={RATE}", f"train.eps={EPS}"]
FRAME += ["train.pack_tokens=100"]
BASE_LIMIT, CELL_LIMIT = 900.0, 10.0  # seconds, and more for each cell: ten times what one takes


def cell(overrides: list[str], tasks: tuple[str, ...], zero_stage: int, out: Path) -> dict:
    """A unit of work for cells.py; its trained folders will be out/1, out/2, ..."""
    config = load([*FRAME, *overrides])
    config = replace(config, engine=replace(config.engine, zero_stage=zero_stage))
    return {"config": plain(config), "tasks": tasks, "out": str(out)}


def note(out: Path, error: Exception) -> None:
    """Keep why a cell cannot even be launched."""
    out.mkdir(parents=True)
    (out / "error.launch").write_text(repr(error))


def launch(
    world: int, cells: list[dict[str, Any]], out: Path, device: str = "cpu", lane: str = ""
) -> None:
    """Run all cells on `world` ranks, on 'cpu' or 'cuda'. A failed one has no file `done` but
    error.<rank>. lane: tells launches apart that run side by side in one folder."""
    left = list(cells)
    for attempt in range(len(cells)):
        place = out / f"launch{lane}{world}.{attempt}"
        place.mkdir(parents=True)
        _run(world, left, place, device)
        unfinished = [c for c in left if not (Path(c["out"]) / "done").exists()]
        left = unfinished[1:]  # the first of them failed, the others have not begun
        if not left:
            return


def _run(world: int, cells: list[dict[str, Any]], place: Path, device: str) -> None:
    for item in cells:
        Path(item["out"]).mkdir(parents=True, exist_ok=True)
    plan = {"cells": cells, "device": device}
    run_ranks("cells.py", world, plan, place, BASE_LIMIT + CELL_LIMIT * len(cells))


def run_ranks(
    program: str, world: int, plan: dict[str, Any], place: Path, limit: float = BASE_LIMIT
) -> list[int]:
    """Run a program of this folder on `world` ranks with a plan file; returns the exit codes.
    limit: seconds, behind which they hang."""
    file = place / "plan.json"
    file.write_text(json.dumps(plan | {"rendezvous": str(place / "rendezvous")}))
    shared = {"WORLD_SIZE": str(world), "TOKENIZERS_PARALLELISM": "false"}
    places = [REPOSITORY, Path(__file__).parent, REPOSITORY / "tests/methods/examples"]
    shared |= {"PYTHONPATH": os.pathsep.join(map(str, places))}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(program)), str(file)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=(place / f"rank{rank}.log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        for rank in range(world)
    ]
    try:
        return [process.wait(limit) for process in ranks]
    finally:
        for process in ranks:
            process.kill()


def why_failed(out: Path) -> str:
    """What the ranks of a cell reported."""
    return "\n".join(file.read_text()[-2000:] for file in sorted(out.glob("error.*"))) or "no word"
