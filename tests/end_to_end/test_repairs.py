"""A flipped bit in what a stage would be trained from: found, said, and made again."""

import os
import shutil
from pathlib import Path

import pytest
from support.command import harness
from support.stored import planned, weights

from harness.run.parent import execute
from harness.store.work import EvalWork

pytestmark = pytest.mark.distributed


def test_a_stage_is_not_trained_from_damaged_weights(tiny_run: list[str], tmp_path: Path) -> None:
    """A file of the same size and time; what is made again has the bytes that were lost."""
    words = [*tiny_run, "train.max_steps=2", "eval.limit=1"]
    job = planned(words)
    assert execute(job.config).trained == 2
    first, last = weights(job, 1), weights(job, 2)
    right = first.read_bytes(), last.read_bytes()
    times, wrong = first.stat(), bytearray(right[0])
    wrong[-1] ^= 1
    first.write_bytes(wrong)
    os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))
    last.unlink()
    for score in (work for work in job.plan.of(EvalWork) if work.stage == 2):
        shutil.rmtree(job.store.path(score.kind, score.key))  # scores alone have nothing made again
    told = harness(*words)
    assert told.returncode == 0, told.stderr
    lines = [line for line in told.stderr.splitlines() if line.startswith("warning: train/")]
    assert [line.partition(": stage ")[2] for line in lines] == [
        f"{n}, train {task}, is made again from stage 0" for n, task in ((1, "copy"), (2, "count"))
    ]
    assert f"{first.parent.name}/model.safetensors is not what was written" in lines[0]
    assert f"{last.parent.name}/model.safetensors is gone" in lines[1]
    assert (first.read_bytes(), last.read_bytes()) == right
    assert harness("store", "verify", f"--store={job.store.root}").returncode == 0
