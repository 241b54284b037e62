"""Processes that a fork server makes: it is started once, and again where the variables differ."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from harness.run.launch.network import Line
from harness.store.helper import import_path

PARENT = "HARNESS_PARENT"  # variable: number of the process with which a rank ends
HEARS_SECONDS = 2.0
# Read when a rank's work begins; all others count when its interpreter or a library is loaded.
PASSING = {"RANK", "LOCAL_RANK", "WORLD_SIZE"}


class Forked:
    """A process of a fork server, to be used as a `subprocess.Popen`."""

    def __init__(self, server: "ForkServer", number: int) -> None:
        self.server, self.number = server, number

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        self.server.hear(0.0)
        return self.server.codes.get(self.number)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired after so many seconds."""
        started = time.monotonic()
        while (code := self.poll()) is None:
            if timeout is not None and time.monotonic() - started > timeout:
                raise subprocess.TimeoutExpired("rank", timeout)
            self.server.hear(0.05)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        self.server.line.send({"signal": number, "to": self.number})

    def kill(self) -> None:
        """End it at once; where the server does not hear (it may still import), with the server."""
        self.send_signal(signal.SIGKILL)
        try:
            self.wait(HEARS_SECONDS)
        except subprocess.TimeoutExpired:
            self.server.process.kill()


class ForkServer:
    """The server's process, seen from the one that started it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.started_by = os.getpid()
        self.settings = _lasting(variables)
        self.codes = dict[int, int | None]()
        # What its imports print; nobody has said yet where files may be written.
        self.log, self.logs = TemporaryFile(), dict[int, Path]()  # noqa: SIM115
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "harness.run.launch.fork_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=subprocess.STDOUT,
                env=dict(variables),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self.line = Line(ours.fileno(), ours.fileno(), ours)

    def serves(self, variables: Mapping[str, str]) -> bool:
        """Is a process that it forks the one that these variables would make?"""
        here = self.started_by == os.getpid() and self.line.open and self.process.poll() is None
        return here and self.settings == _lasting(variables)

    def start(self, argv: Sequence[str], variables: Mapping[str, str], log: Path) -> Forked:
        """A new process, which runs a rank with these arguments and writes to this file."""
        number = len(self.codes)
        self.codes[number], self.logs[number] = None, log
        self.line.send(
            {
                "start": number,
                "argv": list(argv),
                "variables": dict(variables),
                "folder": os.getcwd(),
                "log": str(log.absolute()),
            }
        )
        return Forked(self, number)

    def hear(self, seconds: float) -> None:
        """Take note of who has ended; all of them, where the server has."""
        for told in self.line.new(seconds):
            self.codes[told["ended"]] = told["code"]
        left = [number for number, code in self.codes.items() if code is None]
        if left and not self.line.open:
            self._gone(left)

    def _gone(self, left: Sequence[int]) -> None:
        """Its processes ended with it, for the reason that its log tells."""
        code = self.process.wait()
        self.log.seek(0)
        said = self.log.read()
        for number in left:
            self.codes[number] = code if code < 0 else 1
            with suppress(OSError), self.logs[number].open("ab") as stream:
                stream.write(said)

    def close(self) -> None:
        """End it, unless what it has forked still runs or another process uses it."""
        if self.started_by == os.getpid() and None not in self.codes.values():
            self.line.close()
            self.process.kill()  # it may still import
            self.process.wait()


_SERVERS = list[ForkServer]()


def fork_server(variables: Mapping[str, str]) -> ForkServer:
    """The one for these variables, which takes the place of an earlier one."""
    if _SERVERS and not _SERVERS[0].serves(variables):
        _SERVERS.pop().close()
    if not _SERVERS:
        _SERVERS.append(ForkServer(variables))
        atexit.register(_SERVERS[0].close)
    return _SERVERS[0]


def no_fork_server() -> None:
    """There is nothing to do for one that is there."""
    while _SERVERS:
        _SERVERS.pop().close()


def rank_variables(threads: int) -> dict[str, str]:
    """The environment of a rank on a CPU, besides its number and this process's environment."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "PYTHONUNBUFFERED": "1",
        # How long a thread spins before it sleeps. Endless spinning (the default) is 30 times
        # slower as soon as a core is busy with something else, none is twice as slow always.
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "10000"),
        "PYTHONPATH": import_path(),
        PARENT: str(os.getpid()),
    }


def _lasting(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in PASSING}
