"""One start of the command that is soaked."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.environment import environment

from harness.config.places import PACKAGE
from soaking import processes
from soaking.trap import CONTROL

_PR_SET_PDEATHSIG = 1
TRACER = Path(__file__).parent / "tracer"


class Command:
    """`python -m harness -m <words>`, which ends with this process. said: where it writes."""

    def __init__(self, words: Sequence[str], control: Path | None, said: Path) -> None:
        self.said = said
        said.parent.mkdir(parents=True, exist_ok=True)
        given = environment(1)
        if control is not None:
            given |= {CONTROL: str(control)}
            given["PYTHONPATH"] = os.pathsep.join((str(TRACER), given["PYTHONPATH"]))
        with said.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness", "-m", *words],
                cwd=PACKAGE.parent,
                env=given,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        self.pid = self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def code(self) -> int:
        """The exit code, negative for a signal; waits for it."""
        return self._process.wait()

    def ends_within(self, seconds: float) -> bool:
        """Wait so long for its end."""
        deadline = time.monotonic() + seconds
        while self.runs and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.runs

    def processes(self) -> list[int]:
        """Its processes, itself first."""
        return processes.below(self.pid)

    def ranks(self) -> list[int]:
        """Its ranks."""
        return processes.ranks(self.processes())

    def kill(self) -> None:
        """End all of it at once."""
        processes.send([*self.processes(), self.pid] if self.runs else [], signal.SIGKILL)
        self._process.wait()

    @property
    def complaint(self) -> str:
        """What no disturbance excuses: an error that is not told in a line."""
        text = self.said.read_text(errors="replace")
        told = "Traceback (most recent call last)" not in text
        return "" if told else text.strip().splitlines()[-1]


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
