"""The benchmark of methods measures; what it measured is nobody's to assert."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import REPOSITORY


@pytest.mark.distributed
def test_a_round_of_two_methods(tmp_path: Path) -> None:
    out = tmp_path / "bench.csv"
    words = ["--rounds=1", "--steps=2", "--methods=lora_seqft,o_lora", f"--out={out}"]
    done = subprocess.run(
        [sys.executable, "scripts/bench_methods.py", *words],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = list(csv.DictReader(out.open()))
    assert [row["method"] for row in rows] == ["lora_seqft", "o_lora"]
    assert all(float(row["step_ms"]) > 0 and float(row["memory_mb"]) > 0 for row in rows)
