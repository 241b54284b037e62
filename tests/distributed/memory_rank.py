"""A rank of the tests of memory: what is alive after every stage, and what an export writes.

`python memory_rank.py <plan.json>` with RANK and WORLD_SIZE: cells as those of cells.py, with a
file `alive.<rank>.json` each, and exports beside the files that transformers writes.
"""

import json
import os
import sys
import traceback
import weakref
from pathlib import Path
from typing import Any

import cells
import torch

from harness.config import EngineConfig, ModelConfig, Precision, TrainConfig
from harness.models.adapters.stages import start_model
from harness.train.engine.core import Engine
from harness.train.engine.ranks import Rank, leave, start

FROZEN = "model.layers.0.mlp.up_proj.weight"
LINEAR = torch.nn.functional.linear
ALIVE: list[weakref.ref] = []
WHOLE: list[int] = []  # weights that are whole on this rank when an engine gets its model


def watch_engines() -> None:
    """Note every engine, its module and DeepSpeed's part of it, and what it is given."""
    begin = Engine.__init__

    def beginning(self: Engine, *given: Any, **named: Any) -> None:
        WHOLE.append(sum(p.numel() for p in given[0].parameters() if not p.is_meta))
        begin(self, *given, **named)
        ALIVE.extend([weakref.ref(self), weakref.ref(self.deepspeed), weakref.ref(self.module)])

    Engine.__init__ = beginning


def run_cell(cell: dict[str, Any], rank: Rank) -> None:
    """Train the cell; after each of its stages count what is alive of all engines so far, and
    look whether torch's `linear` is its own."""
    counts: list[int] = []
    untouched: list[bool] = []
    WHOLE.clear()
    train = cells.train_task

    def counted(*given: Any) -> None:
        train(*given)
        counts.append(sum(one() is not None for one in ALIVE))
        untouched.append(torch.nn.functional.linear is LINEAR)

    cells.train_task = counted
    try:
        cells.run(cell, rank)
    finally:
        cells.train_task = train
    seen = [len(ALIVE), counts, untouched]
    Path(cell["out"], f"alive.{rank.index}.json").write_text(json.dumps(seen))
    Path(cell["out"], f"whole.{rank.index}.json").write_text(json.dumps(WHOLE))


def export(model: Path, precision: str, zero: int, out: Path, rank: Rank) -> None:
    """Change the masters, export, and write the same with transformers from all of the weights."""
    settings = EngineConfig(zero_stage=zero, precision=Precision(precision))
    module, stored = start_model(ModelConfig("tiny", str(model)), None, model, 1, precision)
    module.get_parameter(FROZEN).requires_grad_(False)
    train = TrainConfig(batch_size=1, learning_rate=1e-3)
    engine = Engine(module.train(), settings, train, rank, stored)
    for parameter in engine.module.parameters():
        if parameter.requires_grad and engine.layout.span(parameter) is not None:
            engine.layout.weight(parameter).mul_(-1.5)
    engine.weights_changed()
    engine.export(out / "ours")
    whole = {name: whole_master(p, zero) for name, p in engine.module.named_parameters()}
    if precision == "bf16":
        whole[FROZEN] = torch.load(out.parent / "frozen.pt")
    if rank.first:
        engine.module.save_pretrained(out / "theirs", state_dict=whole)
    engine.destroy()


def whole_master(parameter: torch.nn.Parameter, zero: int) -> torch.Tensor:
    """By DeepSpeed's own functions."""
    import deepspeed

    if zero > 0 and parameter.requires_grad:
        return deepspeed.utils.safe_get_full_fp32_param(parameter).float().cpu().clone()
    if zero < 3:
        return parameter.detach().float().cpu().clone()
    with deepspeed.zero.GatheredParameters([parameter]):
        return parameter.detach().float().cpu().clone()


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    index, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    rank = start(index, world, plan["device"], plan["rendezvous"], 1.0, 1)
    watch_engines()
    for cell in plan["cells"]:
        try:
            run_cell(cell, rank)
        except Exception:
            Path(cell["out"], f"error.{rank.index}").write_text(traceback.format_exc())
            os._exit(1)
    for precision, zero in plan["exports"]:
        out = Path(plan["out"]) / f"{precision}-zero{zero}"
        out.mkdir(exist_ok=True)
        export(Path(plan["model"]), precision, zero, out, rank)
    leave(rank)


if __name__ == "__main__":
    main()
