"""A running worker, asked in lines of JSON; it ends with this process."""

import atexit
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from harness.errors import StageFailed
from harness.generation.vllm.environment import environment
from harness.store.pulse import beat

WORKER = Path(__file__).with_name("worker.py")
STOP_SECONDS = 10.0
END_SECONDS = 5.0  # from the end of its output to its exit
TAIL_BYTES = 20_000


class NeedsRestart(Exception):
    """The worker cannot do this any more; a new one can."""


class VllmProcess:
    """One worker of `python` on a device. Raises StageFailed, with its last line, when it dies."""

    def __init__(self, python: str, device: str) -> None:
        self.python, self.device = python, device
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (stop() closes it)
        self._process = subprocess.Popen(
            [python, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
            env=environment(device),
        )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """Of the worker."""
        return self._process.pid

    def alive(self) -> bool:
        """Does it run?"""
        return self._process.poll() is None

    def ask(self, op: str, **request: Any) -> Any:
        """The answer to a request. Raises StageFailed where it fails, NeedsRestart where a new
        worker could do it."""
        beat(patient=True)
        try:
            self._process.stdin.write(json.dumps({"op": op, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):
            code = self._ended(within=END_SECONDS)
            raise StageFailed(f"vLLM's process ended (exit code {code}): {self._last_line()}")
        told = json.loads(line)
        if told.get("restart"):
            raise NeedsRestart(told["error"])
        if "error" in told:
            raise StageFailed(f"vLLM: {told['error']}")
        return told["ok"]

    def stop(self) -> None:
        """End it; may be called again."""
        atexit.unregister(self.stop)
        if self.alive():
            self._process.stdin.close()  # the worker's loop ends with its input
            self._ended(within=STOP_SECONDS)
        self._process.stdout.close()
        self._said.close()

    def _ended(self, within: float) -> int:
        """The exit code of a process that is about to end; killed where it does not."""
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _last_line(self) -> str:
        self._said.seek(max(0, self._said.seek(0, 2) - TAIL_BYTES))
        lines = self._said.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")
