"""A rank of the test of running states: a stage that is broken off and goes on from files, beside
the same stage in one piece.

`python running_rank.py <plan.json>` with RANK and WORLD_SIZE; every rank writes what it measured.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from cells import job_of

from harness.config import from_plain
from harness.data.randomness import derive_seed, seed_everything
from harness.models.loading import load_prompts
from harness.train.engine.carried import load_moments, save_moments
from harness.train.engine.ranks import Rank, leave, start
from harness.train.job import TrainJob
from harness.train.stage import train_task
from harness.train.states import RUNNING, read_states, write_states
from harness.train.training import Training

BREAK = 3  # optimizer steps before the stage is broken off


def silent(done: int, total: int) -> None: ...


def opened(job: TrainJob, rank: Rank) -> Training:
    seed_everything(derive_seed("stage", job.config.seed, job.stage))
    return Training(job, rank, load_prompts(job.config.model, job.parent))


def ended(training: Training) -> dict[str, Any]:
    """All trained weights, and what the strategies hand on as whole tensors."""
    training.finish()
    view, found = training.view, {}
    for name in view.shapes:
        found[name] = view.gather(name)
    for index, strategy in enumerate(training.strategies):
        state = strategy.state()
        found |= {f"{index}.{name}": tensor for name, tensor in state.tensors.items()}
        for quantity, values in state.sharded.items():
            found |= {f"{index}.{quantity}.{n}": view.gather(n, values) for n in view.shapes}
    training.close()
    return found


def measure(cell: dict[str, Any], rank: Rank) -> dict[str, Any]:
    out, config = Path(cell["out"]), from_plain(cell["config"])
    first, second = out / "1", out / "running"
    if rank.first:
        first.mkdir()
        second.mkdir()
    rank.barrier()
    train_task(job_of(config, cell["tasks"], 1, Path(config.model.path)), first, rank, silent)
    rank.barrier()
    job = job_of(config, cell["tasks"], 2, first)
    whole = opened(job, rank)
    whole.start()
    whole.run(silent, stop=BREAK)
    states = whole.running()
    write_states(second, states, whole.view, RUNNING)
    save_moments(second, whole.engine)
    whole.run(silent, first=BREAK)
    expected = ended(whole)
    rank.barrier()
    resumed = opened(job, rank)
    load_moments(second, resumed.engine)
    resumed.resume(read_states(second, RUNNING))
    resumed.run(silent, first=BREAK)
    found = ended(resumed)
    steps = resumed.stage.total
    assert found.keys() == expected.keys()
    return {
        "steps": steps,
        "largest": max(float((found[name] - expected[name]).abs().max()) for name in expected),
        "kept": sorted({n for state in states for n in (*state.tensors, *state.sharded)}),
    }


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    rank = start(
        int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), "cpu", plan["rendezvous"], 1.0, 1
    )
    for cell in plan["cells"]:
        found = measure(cell, rank)
        Path(cell["out"], f"found.{rank.index}.json").write_text(json.dumps(found))
    leave(rank)


if __name__ == "__main__":
    main()
