"""The benchmark of methods measures; what it measured is nobody's to assert."""

import csv
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import REPOSITORY


def bench(name: str, *words: str) -> str:
    """What a script prints, in a process that no launcher has started."""
    given = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    done = subprocess.run(
        [sys.executable, f"scripts/{name}", *words],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=given | {"PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.trial
@pytest.mark.distributed
def test_a_round_of_two_methods(tmp_path: Path) -> None:
    out = tmp_path / "bench.csv"
    words = ["--rounds=1", "--steps=2", "--methods=lora_seqft,o_lora", f"--out={out}"]
    bench("bench_methods.py", *words)
    rows = list(csv.DictReader(out.open()))
    assert [row["method"] for row in rows] == ["lora_seqft", "o_lora"]
    assert all(float(row["step_ms"]) > 0 and float(row["memory_mb"]) > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.trial
@pytest.mark.distributed
def test_a_round_of_the_schedule(tmp_path: Path) -> None:
    """The shares of time are those of a schedule; one worker is always busy."""
    out = tmp_path / "schedule.csv"
    few = ["task=[micro_units,micro_sums]", "suite=[]", "eval.limit=6", "eval.batch_tokens=128"]
    bench("bench_schedule.py", "--rounds=1", f"--out={out}", *few)
    [row] = csv.DictReader(out.open())
    assert int(row["chunks"]) > 4
    shares = [float(row[f"model_busy_{width}"]) for width in (1, 2, 4, 8)]
    assert shares[0] == 1.0
    assert all(0 < share <= 1 for share in shares)
    busy = [float(share) for share in row["busy"].split()]
    # One that starts late may find all of it done.
    assert len(busy) == 2
    assert all(0 <= share <= 1 for share in busy)
    assert max(busy) > 0


def test_the_first_rank_that_fails_ends_the_others() -> None:
    program = runpy.run_path(str(REPOSITORY / "scripts" / "bench_schedule.py"))
    programs = ("import time; time.sleep(100)", "raise SystemExit(3)")
    ranks = [subprocess.Popen([sys.executable, "-c", text]) for text in programs]
    assert program["_any_fails"](ranks)
    assert [rank.returncode for rank in ranks] == [-signal.SIGKILL, 3]


@pytest.mark.slow
@pytest.mark.trial
@pytest.mark.distributed
@pytest.mark.parametrize("zero", [2, 3])
def test_loading_and_export_take_little_beside_the_engine(zero: int) -> None:
    """At most 15% of a bf16 copy, 0.3 bytes a weight, and nothing stays from stage to stage; of the
    memory of the machine, which the ranks share: the heap of one alone varies by tens of MB."""
    told = bench("bench_memory.py", "--weights=200", "--stages=3", f"--zero={zero}")
    lines = [line.split() for line in told.splitlines() if line[:5].strip().isdigit()]
    assert len(lines) == 6
    peaks = []
    for first, second in zip(lines[::2], lines[1::2], strict=True):
        assert [first[:3], second[:3]] == [[first[0], "0", "0"], [first[0], "1", "0"]]
        peak, load, export = ((float(first[c]) + float(second[c])) / 2 for c in (4, 6, 7))
        assert load <= 0.3
        assert export <= 0.3
        peaks.append(peak)
    assert abs(peaks[2] / peaks[1] - 1) <= 0.03
