"""A rank of the equivalence tests: one process group, a list of cells one after the other.

`python cells.py <plan.json>` with RANK and WORLD_SIZE. A cell is a configuration, its tasks and a
folder; it is finished when the folder holds `done`. The first failing cell ends the process, with
the cell's number in `failed` (its ranks may be out of step; the launcher goes on behind it).
"""

import gc
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig, from_plain
from harness.train.engine.ranks import Rank, leave, start
from harness.train.job import Part, TrainJob
from harness.train.stage import train_task


def main() -> None:
    plan_file = Path(sys.argv[1])
    plan = json.loads(plan_file.read_text())
    index, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    rank = start(index, world, plan["device"], plan["rendezvous"], 1.0, 1)
    for cell in plan["cells"]:
        gc.freeze()  # DeepSpeed collects garbage at every start; spare it the imported modules
        try:
            run(cell, rank)
        except Exception:
            Path(cell["out"], f"error.{rank.index}").write_text(traceback.format_exc())
            os._exit(1)
    leave(rank)


def run(cell: dict[str, Any], rank: Rank) -> None:
    """Train the cell's tasks in turn into out/1, out/2, ..."""
    config = from_plain(cell["config"])
    parent = Path(config.model.path)
    for number in range(1, len(cell["tasks"]) + 1):
        folder = Path(cell["out"]) / str(number)
        if rank.first:
            folder.mkdir()
        rank.barrier()
        job = job_of(config, cell["tasks"], number, parent)
        train_task(job, folder, rank, lambda done, total: None)
        rank.barrier()
        parent = folder
    if rank.first:
        Path(cell["out"], "done").touch()
    rank.barrier()


def job_of(config: HarnessConfig, tasks: list[str], number: int, parent: Path) -> TrainJob:
    """Stage `number` of a cell's tasks, from 1."""
    task, root = tasks[number - 1], Path(config.data.root)
    return TrainJob(
        config=config,
        stage=number,
        task=task,
        parts=[Part(name, root / name / "train.json", 1) for name in task.split("+")],
        learning_rate=config.train.learning_rate * config.method.learning_rate_factor,
        parent=parent,
        earlier=[(t, root / t / "train.json") for t in tasks[: number - 1]],
        last=number == len(tasks),
    )


if __name__ == "__main__":
    main()
