"""Processes by machine, number and start, so that one is never taken for another.

HARNESS_HOST replaces the machine in this; two machines must not share a name.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """What is told of this process: host (for people), machine, pid and start."""
    pid = os.getpid()
    host = os.environ.get("HARNESS_HOST") or socket.gethostname()
    return {"host": host, "machine": machine(), "pid": pid, "start": _start_of(pid)}


def machine() -> str:
    """Where process numbers mean the same: this start of this machine, and in it the namespace of
    process numbers (containers have their own), as far as the kernel tells them."""
    if name := os.environ.get("HARNESS_HOST"):
        return name
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def ended(pid: int, start: int) -> bool | None:
    """Is a process of this machine gone? None where it hides (those of other users may)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    try:
        return _start_of(pid) != start
    except OSError:
        return None


def _start_of(pid: int) -> int | None:
    """When a process started, in clock ticks since its machine did (numbers are used again); None
    for one that has ended and only waits to be reaped."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
