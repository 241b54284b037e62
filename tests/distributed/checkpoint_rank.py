"""A rank of the test of checkpoints: stages in one piece, and others that a kill breaks off.

`python checkpoint_rank.py <plan.json>` with RANK and WORLD_SIZE. Every step of every cell is a
process that this one forks, so that it can be killed: its libraries are imported once.
"""

import json
import os
import resource
import signal
import sys
import time
import traceback
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from cells import job_of

from harness.config import from_plain
from harness.store.kept import Kept
from harness.store.leases import Leases
from harness.store.listener import Notice
from harness.train import checkpoint
from harness.train.checkpoint import Keeping
from harness.train.engine.ranks import leave, start
from harness.train.stage import train_task

# What a stage imports while it begins.
LIBRARIES = ("deepspeed.module_inject.auto_ep_layer", "torch._inductor.compile_fx", "peft")
LIBRARIES += ("transformers.models.llama.modeling_llama", "setuptools")


def main() -> None:
    for library in LIBRARIES:
        import_module(library)
    plan, index = json.loads(Path(sys.argv[1]).read_text()), int(os.environ["RANK"])
    for cell in plan["cells"]:
        for launch in cell["launches"]:
            if index >= launch["world"]:
                continue
            pid = os.fork()
            if not pid:
                be(cell, launch, index)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            Path(cell["out"], f"{launch['name']}.{index}.code").write_text(str(code))


def be(cell: dict[str, Any], launch: dict[str, Any], index: int) -> NoReturn:
    """One launch of a cell, to its end or to where it is killed."""
    out = Path(cell["out"])
    with (out / f"{launch['name']}.{index}.log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        meeting = str(out / f"{launch['name']}.rendezvous")
        rank = start(index, launch["world"], "cpu", meeting, 1.0, 1)
        train(cell, launch, rank, out)
        leave(rank)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)


def train(cell: dict[str, Any], launch: dict[str, Any], rank: Any, out: Path) -> None:
    """Stage by stage; the last one of a launch keeps checkpoints where the launch says so."""
    config = from_plain(launch["config"])
    parent = Path(config.model.path)
    for number in range(1, len(cell["tasks"]) + 1):
        last = number == len(cell["tasks"])
        folder = out / (launch["name"] if last else str(number))
        job = job_of(config, cell["tasks"], number, parent)
        if last and launch["keeps"]:
            keep(replace(job, halvings=launch.get("halvings", 0)), folder, rank, launch, out)
        elif last or launch["name"] == "whole":
            if rank.first:
                folder.mkdir()
            rank.barrier()
            train_task(job, folder, rank, lambda done, total: None)
        rank.barrier()
        parent = folder


def keep(job: Any, folder: Path, rank: Any, launch: dict[str, Any], out: Path) -> None:
    """A stage with checkpoints: goes on from one, and is killed at a step if that is wanted."""
    said = list[str]()

    def told(notice: Notice) -> None:
        said.append(notice.line)

    def after(done: int, total: int) -> None:
        said.append(f"{done} of {total}")
        if rank.first and launch["full"]:
            fill_disk(done == launch["full"])
        shorten(launch, done)
        if [rank.index, done] == launch["killed"]:
            while rank.first and [*out.glob("kept/.step-*")]:
                time.sleep(0.01)  # what was handed over appears behind the steps
            os.kill(os.getpid(), launch["signal"])

    if launch["torn"]:
        tear(launch["torn"])
    if launch["harm"]:
        file, content = launch["harm"]
        (out / "kept/step-2" / file).write_text(content)
    leases = Leases(out)
    with leases.taken() as token:
        keeping = Keeping(
            Kept(out / "kept", leases, token), lambda done, total: shorten(launch, done)
        )
        if rank.first:
            folder.mkdir()
        rank.barrier()
        train_task(job, folder, rank, after, told, keeping)
    (out / f"{launch['name']}.{rank.index}.said").write_text(json.dumps(said))


def fill_disk(full: bool) -> None:
    """Have the kernel refuse a file in its middle, or not any more."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000 if full else most, most))


def shorten(launch: dict[str, Any], done: int) -> None:
    """From this step on have the kernel refuse more memory than so many MB above what is there."""
    step, room = launch.get("short") or (None, 0)
    if done == step:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (room << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def tear(number: int) -> None:
    """Have the process killed while it writes a checkpoint, the one of this number."""
    write, count = checkpoint.write_states, [0]

    def torn(*given: Any) -> None:
        count[0] += 1
        if count[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        write(*given)

    checkpoint.write_states = torn


if __name__ == "__main__":
    main()
