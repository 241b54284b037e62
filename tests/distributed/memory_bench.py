"""Cells and exports of the tests of memory, and what is read from them; one launch of ranks."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from launch import cell, run_ranks, why_failed
from safetensors.torch import load_file
from support.places import MICRO_MODEL

TOLERANCE = 2e-5
# Plain fine-tuning, changed gradients, changed weights, moments carried over in files.
METHODS = {
    "seqft": ["method=seqft"],
    "agem": ["method=agem"],
    "gem": ["method=gem"],
    "l2": ["method=l2", "method.form=decoupled_after", "method.strength=50"],
    "carried": ["method=seqft", "train.reset_optimizer=never"],
}
# Embeddings that are the head as well, and an adapter.
LOADED = {"tied": ["method=seqft", f"model.path={MICRO_MODEL}"], "lora": ["method=lora_seqft"]}
TASKS = ("copy", "count")
OFFLOADS = [(1, "optimizer"), (2, "optimizer"), (3, "optimizer"), (3, "all")]
# Edited gradients everywhere; the rest at the two kinds of layout.
MOVED = [("agem", *how) for how in OFFLOADS]
REST = ("gem", "l2", "carried")
MOVED += [(method, *how) for method in REST for how in (OFFLOADS[1], OFFLOADS[3])]
EXPORTS = [(p, zero) for p in ("fp32", "bf16") for zero in range(4) if p == "fp32" or zero > 0]


def name_of(method: str, zero: int, offload: str, precision: str = "fp32") -> str:
    return f"{method}-zero{zero}-{offload}-{precision}"


@dataclass
class Bench:
    """What all cells have in common."""

    model: Path
    places: list[str]

    def launch(
        self, wanted: list[tuple], exports: list[tuple], out: Path, device: str, world: int = 2
    ) -> Path:
        """Run cells (method, ZeRO stage, offload, precision) and exports (precision, ZeRO stage) on
        ranks of 'cpu' or 'cuda': a folder for each in `out`, by `name_of` and
        `<precision>-zero<n>`."""
        from memory_rank import FROZEN

        cells = []
        for method, zero, where, precision in wanted:
            place = out / name_of(method, zero, where, precision)
            more = [f"engine.offload={where}", f"engine.precision={precision}"]
            own = (METHODS | LOADED)[method]
            cells.append(cell([*self.places, *own, *more], TASKS, zero, place))
            place.mkdir()
        torch.save(load_file(self.model / "model.safetensors")[FROZEN], out / "frozen.pt")
        plan = {"cells": cells, "exports": exports, "model": str(self.model), "out": str(out)}
        codes = run_ranks("memory_rank.py", world, plan | {"device": device}, out)
        told = [why_failed(out / name_of(*one)) for one in wanted]
        failed = [line for line in told if line != "no word"]
        log = (out / "rank0.log").read_text()[-3000:]
        assert codes == [0] * world, (failed or [log])[0]
        return out


def largest_difference(method: str, zero: int, where: str, out: Path) -> float:
    """To the engine that keeps all on the device, over both tasks."""
    found = []
    for task in ("1", "2"):
        ours, plain = (
            load_file(next((out / name_of(method, *how) / task).glob("*model.safetensors")))
            for how in ((zero, where), (2, "none"))
        )
        found += [float((ours[name] - plain[name]).abs().max()) for name in plain]
    return max(found)


def check_nothing_outlives_its_stage(out: Path, least: int) -> None:
    files = sorted(out.glob("*/alive.*.json"))
    assert len(files) >= least
    for file in files:
        seen, alive, untouched = json.loads(file.read_text())
        assert seen >= 3 * len(TASKS)
        assert alive == [0, 0], file.parent.name
        assert untouched == [True, True], file.parent.name


def check_export(precision: str, zero: int, out: Path) -> None:
    """It is the file that transformers writes."""
    ours, theirs = (out / f"{precision}-zero{zero}" / whose for whose in ("ours", "theirs"))
    names = sorted(path.name for path in theirs.iterdir())
    assert "model.safetensors" in names
    assert sorted(path.name for path in ours.iterdir()) == names
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
