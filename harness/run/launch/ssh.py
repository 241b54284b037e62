"""Agents on other hosts, started over ssh; the lines to them are ssh's own input and output."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from harness.config.allowed import VARIABLE
from harness.errors import ConfigError
from harness.run.launch.job import Seat
from harness.run.launch.network import Line
from harness.store.helper import import_path

# Nobody is asked for a password; who does not answer is given up in time.
OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=20")
LEAVE_SECONDS = 10.0
# Variables of this process that hold for the other hosts as well.
_PREFIXES = ("HF_", "TRANSFORMERS_", "TORCH_", "PYTORCH_", "NCCL_", "GLOO_", "UCX_", "CUBLAS_")
_NAMES = (
    *(VARIABLE, "LD_LIBRARY_PATH", "TOKENIZERS_PARALLELISM"),
    *("http_proxy", "https_proxy", "no_proxy"),
)

Greeted = dict[str, tuple[Line, dict[str, Any]]]


@dataclass
class _Remote:
    """An ssh that runs: closing it has the agent leave."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process.stdout.close()

    def kill(self) -> None:
        """End it, and what it has started to reach the host (a ProxyCommand, say)."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self) -> str:
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else f"ssh ended with code {self.process.returncode}"


@contextmanager
def connected(wanted: Mapping[str, list[Seat]], where: str, seconds: float) -> Iterator[Greeted]:
    """An agent on every host, for the ranks that it is to take: the line to it, and its greeting.
    Raises ConfigError, which names the host, where one is not there in time."""
    with ExitStack() as stack:
        remotes = dict[str, tuple[_Remote, Line]]()
        for name, seats in wanted.items():
            remote = _start(name, stack)
            stack.callback(remote.close)
            line = _line(remote)
            line.send(_request(seats))
            remotes[name] = remote, line
        deadline = time.monotonic() + seconds
        greeted: Greeted = {}
        for name, (remote, line) in remotes.items():
            hello = line.first(deadline - time.monotonic())
            if hello is None and line.open:
                remote.kill()
                raise ConfigError(f"{where}: {name} did not answer within {seconds:.0f} seconds")
            if hello is None:
                remote.process.wait()
                raise ConfigError(f"{where}: {name} cannot be used: {remote.last_words()}")
            greeted[name] = line, hello
        yield greeted


def _start(name: str, stack: ExitStack) -> _Remote:
    command = (
        f"cd {shlex.quote(os.getcwd())} && exec env PYTHONPATH={shlex.quote(import_path())} "
        f"{shlex.quote(sys.executable)} -m harness.run.launch.agent"
    )
    said: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    try:
        process = subprocess.Popen(
            ["ssh", *OPTIONS, name, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            bufsize=0,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ConfigError("engine.hostfile needs the command ssh, which is not here") from None
    return _Remote(process, said)


def _line(remote: _Remote) -> Line:
    assert remote.process.stdin is not None
    assert remote.process.stdout is not None
    return Line(remote.process.stdout.fileno(), remote.process.stdin.fileno(), remote)


def _request(seats: list[Seat]) -> dict[str, Any]:
    """What an agent is told first."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if name in _NAMES or name.startswith(_PREFIXES)
    }
    return {"seats": [[seat.rank, seat.local_rank] for seat in seats], "variables": variables}
