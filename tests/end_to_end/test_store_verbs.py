"""A real run's store: what is broken is made again, and a moved one has nothing left to do."""

import os
from pathlib import Path

import pytest
from support.command import harness
from support.stored import planned

from harness.run.parent import execute

pytestmark = pytest.mark.distributed


def test_broken_then_moved(tiny_run: list[str], tmp_path: Path) -> None:
    """Nothing else is done again, and scores come back byte by byte."""
    job, root = planned(tiny_run, "train.max_steps=2"), tmp_path / "store"
    done = execute(job.config)
    assert (done.trained, done.scored) == (2, 5)
    place = f"--store={root}"
    assert harness("store", "verify", place).returncode == 0
    scored = next(node for node in job.plan.nodes if (node.kind, node.stage) == ("eval", 2))
    answers = root / "eval" / scored.key / "predictions.jsonl"
    right, times = answers.read_bytes(), answers.stat()
    wrong = bytearray(right)
    wrong[len(wrong) // 2] ^= 1
    answers.write_bytes(wrong)
    os.utime(answers, ns=(times.st_atime_ns, times.st_mtime_ns))
    told = harness("store", "verify", place, job.plan.run["run"][:8], "--remove")
    assert told.returncode == 1
    assert told.stdout.startswith(f"eval/{scored.key}/predictions.jsonl: its bytes are others")
    assert f"used by {job.plan.run['run']}" in told.stdout
    assert "interrupted" in harness("status", place).stdout
    again = execute(job.config)
    assert (again.trained, again.scored) == (0, 1)
    assert answers.read_bytes() == right
    assert "interrupted" not in harness("status", place).stdout
    new = tmp_path / "elsewhere"
    assert harness("store", "move", place, str(new)).returncode == 0
    moved = planned(tiny_run, "train.max_steps=2", f"store.root={new}")
    last = execute(moved.config)
    assert (last.trained, last.scored, last.found) == (0, 0, 7)
    assert harness("store", "verify", f"--store={new}").returncode == 0
    assert not root.exists()
