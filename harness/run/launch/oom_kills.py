"""How many processes the kernel has killed here for want of memory."""

import re
from contextlib import suppress
from pathlib import Path

_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
CGROUPS = Path("/sys/fs/cgroup")
OF_MACHINE = Path("/proc/vmstat")


def oom_kills(own: Path = Path("/proc/self/cgroup")) -> int:
    """Of the control group of this process, which its ranks share, else of the machine; 0 where
    nothing counts them."""
    for path in (*_of_groups(own), OF_MACHINE):
        with suppress(OSError):
            if found := _COUNT.search(path.read_text()):
                return int(found[1])
    return 0


def _of_groups(own: Path) -> list[Path]:
    """Files that count for the group, of either version of control groups. A container may see its
    own group at the top."""
    found = list[Path]()
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, place = line.split(":", 2)
            if not controllers:
                top, name = CGROUPS, "memory.events"
            elif "memory" in controllers.split(","):
                top, name = CGROUPS / "memory", "memory.oom_control"
            else:
                continue
            found += [top / place.lstrip("/") / name, top / name]
    return found
