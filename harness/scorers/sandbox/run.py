"""Does a program run to its end? Asked in a process that is confined, and killed with all of it."""

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import StageFailed
from harness.store.pulse import beat

CONFINE = Path(__file__).with_name("confine.py")
# What programs of a model may be expected to import; where that fails here, scores would be wrong.
USUAL = "import collections, datetime, decimal, functools, hashlib, heapq, itertools, json, math"
USUAL += ", random, re, statistics, string, typing\nopen('own', 'w').write(str(math.pi))\n"


@dataclass(frozen=True)
class Limits:
    """cpu: seconds of a processor. wall: seconds on the clock, a backstop for what sleeps; scores
    are to hang on the former, which load changes least. memory, file: bytes of its address space,
    and of a file in its folder."""

    cpu: int = 10
    wall: float = 60.0
    memory: int = 1 << 29
    file: int = 1 << 20


@dataclass(frozen=True)
class Outcome:
    """passed: the program ran to its end. told: the kind of its error, "stopped" for one that
    ended without a word (exit, a limit, a kill)."""

    passed: bool
    told: str


def run_program(program: str, limits: Limits | None = None) -> Outcome:
    """Run a program of Python in a folder of its own. What it prints is thrown away, it sees none
    of this process's variables, and nothing of it is left when this returns.

    A program that looks for its checker in its own process could pretend to have ended; this is a
    fence for code that a model wrote, not for an attacker. Raises StageFailed where a harmless
    program does not run: no score would be right.
    """
    _require_working()
    beat()  # a rank that scores many of them is alive
    return _run(program, limits or Limits())


@cache
def _require_working() -> None:
    found = _run(USUAL, Limits())
    if not found.passed:
        raise StageFailed(
            f"programs of a model cannot be run here: a harmless one ended with {found.told}"
        )


def _run(program: str, limits: Limits) -> Outcome:
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="program-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "program.py"
        file.write_text(program, encoding="utf-8", errors="replace")
        read, write = os.pipe()
        try:
            started = _start(file, write, token, limits)
            os.close(write)
            write = -1
            try:
                said = _said(read, limits.wall)
            finally:
                _end(started)
        finally:
            for pipe in (read, write):
                if pipe >= 0:
                    os.close(pipe)
    mine, _, told = said.partition(" ")
    if mine != token:
        return Outcome(False, "stopped")
    return Outcome(told == "ended", told)


def _start(file: Path, pipe: int, token: str, limits: Limits) -> "subprocess.Popen[bytes]":
    bounds = {
        "RLIMIT_CPU": limits.cpu,
        "RLIMIT_AS": limits.memory,
        "RLIMIT_DATA": limits.memory,
        "RLIMIT_FSIZE": limits.file,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
    }
    settings = json.dumps({"pipe": pipe, "token": token, "limits": bounds})
    folder = str(file.parent)
    return subprocess.Popen(
        # Nothing of the user's is imported (-s, -P), and hashes are the same in every run.
        [sys.executable, "-s", "-P", "-B", str(CONFINE), str(file), settings],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder, "PYTHONHASHSEED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(pipe,),
        start_new_session=True,
    )


def _said(pipe: int, seconds: float) -> str:
    """What comes through the pipe until its other ends are closed, or until the time is over."""
    until, parts = time.monotonic() + seconds, []
    while (left := until - time.monotonic()) > 0:
        if not select.select([pipe], [], [], left)[0]:
            break
        part = os.read(pipe, 4096)
        if not part:
            break
        parts.append(part)
        if sum(map(len, parts)) > 4096:
            break
    return b"".join(parts).decode(errors="replace")


def _end(started: "subprocess.Popen[bytes]") -> None:
    """Kill the process group, whose first process takes the others of its namespace along."""
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()
