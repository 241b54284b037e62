"""Whole commands, measured from outside."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.environment import environment
from bench.rounds import Numbers


def command(words: Sequence[str], threads: int, cwd: Path | None = None, **given: str) -> Numbers:
    """Run a command: whole_s seconds on the clock, whole_cpu_s of it and its children, peak_gb of
    the largest of them. Ends the program where it fails."""
    began = time.monotonic()
    process = subprocess.Popen(
        list(words),
        cwd=cwd,
        env=environment(threads) | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    whole = time.monotonic() - began
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {' '.join(told.strip().splitlines()[-1:])}")
    processor = used.ru_utime + used.ru_stime
    return {"whole_s": whole, "whole_cpu_s": processor, "peak_gb": used.ru_maxrss / 1e6}


def harness(*words: str) -> list[str]:
    """Our command."""
    return [sys.executable, "-m", "harness", *words]
