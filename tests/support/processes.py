"""Processes of this machine that a test starts, waits for or looks for."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from support.places import REPOSITORY


def started(*words: str) -> "subprocess.Popen[str]":
    """A command of the harness, whose errors are read from its `stderr`."""
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def when(condition: Callable[[], bool], parent: "subprocess.Popen[str]") -> None:
    """Wait for something that a command brings about, at most three minutes."""
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline
        assert parent.poll() is None, parent.stderr.read() if parent.stderr else ""
        time.sleep(0.002)


def ranks_of(folder: Path) -> list[int]:
    """Processes that write the log of a rank below `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/fd/1"):
        with suppress(OSError):
            log = path.readlink()
            if log.is_relative_to(folder) and log.match("rank*.log"):
                found.append(int(path.parts[2]))
    return found
