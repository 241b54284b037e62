"""A rank of the equality test: one process group, every ZeRO stage in turn.

`python cells.py <plan.json>` with RANK and WORLD_SIZE; the plan names config, nodes and folders.
"""

import json
import os
import sys
from pathlib import Path

from harness.config import from_plain
from harness.engine.ranks import start, stop
from harness.train import Part, TrainJob, train_task


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    rank = start(
        int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), "cpu", plan["rendezvous"], 5.0, 1
    )
    for zero_stage in plan["zero_stages"]:
        config = from_plain(plan["config"])
        config.engine.zero_stage = zero_stage
        parent = Path(config.model.path)
        for number, task in enumerate(plan["tasks"], start=1):
            folder = Path(plan["out"]) / f"zero{zero_stage}" / str(number)
            if rank.first:
                folder.mkdir(parents=True)
            rank.barrier()
            job = TrainJob(
                config=config,
                stage=number,
                task=task,
                parts=[Part(task, Path(config.data.root) / task / "train.json", 1)],
                learning_rate=config.train.learning_rate * config.method.learning_rate_factor,
                parent=parent,
                earlier={
                    name: Path(config.data.root) / name / "train.json"
                    for name in plan["tasks"][: number - 1]
                },
                last=number == len(plan["tasks"]),
            )
            train_task(job, folder, rank, lambda done, total: None)
            rank.barrier()
            parent = folder
    stop(rank)


if __name__ == "__main__":
    main()
