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
    return heard(words, threads, cwd, **given)[0]


def heard(
    words: Sequence[str], threads: int, cwd: Path | None = None, **given: str
) -> tuple[Numbers, str]:
    """The numbers of `command`, and what it printed. It does not outlive the one who waits."""
    began = time.monotonic()
    process = subprocess.Popen(
        list(words),
        cwd=cwd,
        env=environment(threads) | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        told = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        _end(process)
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    whole = time.monotonic() - began
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {' '.join(told.strip().splitlines()[-1:])}")
    processor = used.ru_utime + used.ru_stime
    numbers = {"whole_s": whole, "whole_cpu_s": processor, "peak_gb": used.ru_maxrss / 1e6}
    return numbers, told


def _end(process: subprocess.Popen[str]) -> None:
    """Time to end processes of its own, then none."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def harness(*words: str) -> list[str]:
    """Our command."""
    return [sys.executable, "-m", "harness", *words]
