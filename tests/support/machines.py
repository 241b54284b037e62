"""Machines of their own: processes in separate network, PID, UTS, IPC and mount namespaces, joined
by a cable. Needs root, `unshare`, `nsenter` and `ip`."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

NETWORK = "10.213.7"


@dataclass(frozen=True)
class Machine:
    """A name that only it knows, an address, and its first process, with which all of it ends."""

    name: str
    address: str
    holder: int

    def enter(self, *words: str) -> list[str]:
        """A command as it is run on this machine."""
        return ["nsenter", "-t", str(self.holder), "-n", "-p", "-u", "-i", "-m", *words]

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Run a command on this machine; what it prints, errors included, can be read."""
        return subprocess.Popen(
            self.enter("env", "-C", os.getcwd(), *words),
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Two that reach each other; the test is skipped where the system gives none."""
    for command in ("unshare", "nsenter", "ip"):
        if shutil.which(command) is None:
            pytest.skip(f"no separate machines without the command {command}")
    with ExitStack() as stack:
        first, second = (
            Machine(f"machine{index}", f"{NETWORK}.{index}", _holder(stack)) for index in (1, 2)
        )
        for machine in (first, second):
            _do(*machine.enter("hostname", machine.name))
            _do(*machine.enter("ip", "link", "set", "lo", "up"))
        peer = ["peer", "name", "cable", "netns", str(second.holder)]
        _do("ip", "link", "add", "cable", "netns", str(first.holder), "type", "veth", *peer)
        for machine in (first, second):
            _do(*machine.enter("ip", "addr", "add", f"{machine.address}/24", "dev", "cable"))
            _do(*machine.enter("ip", "link", "set", "cable", "up"))
        yield first, second


def _holder(stack: ExitStack) -> int:
    """The first process of new namespaces."""
    flags = ["--net", "--pid", "--uts", "--ipc", "--mount", "--mount-proc", "--fork"]
    outer = subprocess.Popen(["unshare", *flags, "--kill-child", "sleep", "infinity"])
    stack.callback(outer.wait)
    stack.callback(outer.kill)
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    while not (found := children.read_text().split()):
        if outer.poll() is not None:
            pytest.skip("this system gives no namespaces (unshare failed)")
        time.sleep(0.05)
    return int(found[0])


def _do(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no separate machines: {' '.join(words[-6:])}: {done.stderr.strip()}")
