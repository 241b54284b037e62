"""Contestants, each in a process of its own, in turn and that several times, so that a busy machine
slows all alike; what counts are medians, and ratios of them.

A script that is run with `--one <request>` is one contestant: it does what the request says under
`Stopwatch` and hands its numbers to `tell`.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from bench.environment import environment

Numbers = dict[str, float]


class Stopwatch:
    """Seconds of a `with` block: `seconds` on the clock, `cpu_s` of all threads of this process,
    which load on the machine disturbs least."""

    def __enter__(self) -> "Stopwatch":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Count from now on."""
        self._began, self._used = time.monotonic(), time.process_time()

    def stop(self) -> None:
        """Know how long it was."""
        self.seconds = time.monotonic() - self._began
        self.cpu_s = time.process_time() - self._used


def tell(watch: Stopwatch, **numbers: Any) -> None:
    """Print, as the last line of this process, what it measured, and the largest resident memory it
    has had (GB)."""
    told = {"seconds": watch.seconds, "cpu_s": watch.cpu_s, "peak_gb": peak_memory() / 1e9}
    print(json.dumps(told | numbers), flush=True)


def peak_memory() -> int:
    """Largest resident memory of this process, bytes. The kernel's count of a process's use would
    begin with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)


def launch(script: str, request: Mapping[str, Any], threads: int) -> Numbers:
    """What a contestant measured, with whole_s: seconds of its whole process, and useful_share: the
    share of these that was neither start nor end. Ends the program where it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, script, "--one", json.dumps(request)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(threads),
    )
    whole = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{request}: {' '.join(done.stderr.strip().splitlines()[-1:])}")
    found = json.loads(done.stdout.splitlines()[-1])
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return found | {
        "whole_s": whole,
        "whole_cpu_s": used,
        "useful_share": min(1.0, found["seconds"] / whole),
    }


def medians(rounds: Iterable[Mapping[str, Any]]) -> Numbers:
    """Of every number that the rounds share."""
    seen = list(rounds)
    return {
        name: median(one[name] for one in seen)
        for name, value in seen[0].items()
        if isinstance(value, int | float)
    }


def lacking(package: str) -> str | None:
    """Why contestants of a package are left out; None where it is installed."""
    if find_spec(package) is not None:
        return None
    return f"{package} is not installed here; `make bench` has an environment with it"


def note(line: str) -> None:
    """Tell whoever waits how far it is."""
    print(line, file=sys.stderr, flush=True)
