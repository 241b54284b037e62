"""What devices there are: their names and their memory, without importing torch."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
CPU_INFO = Path("/proc/cpuinfo")
MIB = 2**20


def host_memory() -> float:
    """Bytes of main memory that this machine, or the container that we are in, has."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return float(min([physical, *_container_limits()]))


def gpu_memory() -> float | None:
    """Bytes of the smallest GPU that nvidia-smi lists; None without one."""
    listed = [float(line) for line in _asked("memory.total") if line.isdigit()]
    return min(listed) * MIB if listed else None


def device_name(device: str) -> str:
    """The name by which times measured on this machine are told apart: of its first GPU ('cuda'),
    else of its processor; 'unknown' where nothing says it."""
    if device.startswith("cuda"):
        return next(iter(_asked("name")), "unknown")
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        return "unknown"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "unknown")


def _container_limits() -> Iterator[int]:
    for path in CGROUP_LIMITS:
        if path.is_file() and (text := path.read_text().strip()).isdigit():
            yield int(text)


@cache
def _asked(what: str) -> tuple[str, ...]:
    """One property of every GPU, by nvidia-smi's name of it."""
    if shutil.which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return tuple(line.strip() for line in lines if line.strip())
