"""Processes as the kernel tells of them: who started whom, and which of them are ranks."""

import os
import signal
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path


def below(pid: int) -> list[int]:
    """A process and all that it and its own have started and still runs, itself first."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if fields[0] not in "ZX":
                parents[int(path.parts[2])] = int(fields[1])
    found = [pid] if pid in parents else []
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def ranks(pids: Iterable[int]) -> list[int]:
    """Those of them that write the log of a rank, in the order of their ranks."""
    found = {}
    for pid in pids:
        with suppress(OSError):
            log = os.readlink(f"/proc/{pid}/fd/1")
            if Path(log).match("logs/*/rank*.log"):
                found[log] = pid
    return [found[log] for log in sorted(found)]


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def alive(pids: Collection[int]) -> list[int]:
    """Those of them that have not ended."""
    found = []
    for pid in pids:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            found += [pid] if state not in "ZX" else []
    return found


def left_behind(pids: Collection[int], seconds: float = 30.0) -> list[int]:
    """Those that live on so long; they are killed."""
    deadline = time.monotonic() + seconds
    while (there := alive(pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    send(there, signal.SIGKILL)
    return there
