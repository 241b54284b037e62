"""Does a program run to its end? Asked in a process that is confined, and killed with all of it."""

import json
import os
import platform
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
from harness.scorers.sandbox.calls import filter_for
from harness.scorers.sandbox.folder import holds_more, remove
from harness.store.pulse import beat

CONFINE = Path(__file__).with_name("confine.py")
GLANCE = 0.1  # seconds between looks at the folder
# What programs of a model may be expected to import; where that fails here, scores would be wrong.
USUAL = "import collections, datetime, decimal, functools, hashlib, heapq, itertools, json, math"
USUAL += ", random, re, statistics, string, typing\nopen('own', 'w').write(str(math.pi))\n"


@dataclass(frozen=True)
class Limits:
    """cpu: seconds of a processor. wall: seconds on the clock, a backstop for what sleeps; scores
    are to hang on the former, which load changes least. memory, file, folder: bytes of its address
    space, of a file in its folder and of all of them. files: how many may lie there, folders too;
    what lies there is counted while it runs and when it has ended."""

    cpu: int = 10
    wall: float = 60.0
    memory: int = 1 << 29
    file: int = 1 << 20
    folder: int = 1 << 24
    files: int = 1000


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
    folder = Path(tempfile.mkdtemp(prefix="program-"))
    try:
        file = folder / "program.py"
        file.write_text(program, encoding="utf-8", errors="replace")
        read, write = os.pipe()
        try:
            started = _start(file, write, token, limits)
            os.close(write)
            write = -1
            try:
                said = _said(read, folder, limits)
            finally:
                _end(started)
        finally:
            for pipe in (read, write):
                if pipe >= 0:
                    os.close(pipe)
        if holds_more(folder, limits.folder, limits.files):
            return Outcome(False, "stopped")
    finally:
        remove(folder)
    mine, _, told = said.partition(" ")
    if mine != token:
        return Outcome(False, "stopped")
    if told == "ok":
        return Outcome(True, "ended")
    return Outcome(False, told.removeprefix("error "))


def _start(file: Path, pipe: int, token: str, limits: Limits) -> "subprocess.Popen[bytes]":
    bounds = {
        "RLIMIT_CPU": limits.cpu,
        "RLIMIT_AS": limits.memory,
        "RLIMIT_DATA": limits.memory,
        "RLIMIT_FSIZE": limits.file,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
    }
    settings = {"pipe": pipe, "token": token, "limits": bounds}
    settings["filter"] = filter_for(platform.machine()).hex()
    folder = str(file.parent)
    started = subprocess.Popen(
        # The standard library alone (-S): no score depends on what else is installed. Nothing of
        # the user's (-s, -P); not -I, by which hashes would differ from run to run.
        [sys.executable, "-s", "-P", "-S", "-B", str(CONFINE), str(file)],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder, "PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,  # settings are in no command line, which the program could read
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(pipe,),
        start_new_session=True,
    )
    with suppress(BrokenPipeError), started.stdin as input_:
        input_.write(json.dumps(settings).encode())
    return started


def _said(pipe: int, folder: Path, limits: Limits) -> str:
    """What comes through the pipe until its other ends are closed, the time is over or the folder
    holds too much."""
    until, parts = time.monotonic() + limits.wall, []
    while (left := until - time.monotonic()) > 0:
        if not select.select([pipe], [], [], min(left, GLANCE))[0]:
            if holds_more(folder, limits.folder, limits.files):
                break
            continue
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
