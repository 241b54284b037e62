"""Addresses of this machine, and lines of JSON to a process elsewhere."""

import fcntl
import json
import os
import select
import socket
import struct
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

SIOCGIFADDR = 0x8915  # Linux: the address of a network interface
LARGEST_LINE = 1 << 20


def tcp_address(rendezvous: str) -> tuple[str, int] | None:
    """(address, port) of tcp://<address>:<port>; None for a path."""
    if not rendezvous.startswith("tcp://"):
        return None
    parts = urlsplit(rendezvous)
    return str(parts.hostname), int(parts.port or 0)


def own_address_towards(address: str) -> str | None:
    """The address of this machine that a peer at `address` sees, as its routes say; nothing is
    sent. None where the name leads nowhere."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))
        return probe.getsockname()[0]
    return None


def interface_towards(address: str) -> str | None:
    """The network interface with that address; None where it is not known."""
    own = own_address_towards(address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # one without an address
                asked = struct.pack("256s", name.encode()[:15])
                answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, asked)
                if socket.inet_ntoa(answer[20:24]) == own:
                    return name
    return None


def keep_alive(connection: socket.socket) -> None:
    """Notice within a minute that the machine at the other end is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 50_000)


class Line:
    """JSON objects, one a line, to and from another process over two file descriptors, which may
    be the same one. `owner` closes them."""

    def __init__(self, reading: int, writing: int, owner: Any) -> None:
        self.reading, self.writing, self.owner = reading, writing, owner
        self.open, self._rest = True, b""

    def send(self, message: dict[str, Any]) -> None:
        """Send one; a line whose other end is gone is not open afterwards."""
        data = json.dumps(message).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self.writing, data) :]
        except OSError:
            self.open = False

    def new(self, seconds: float) -> list[dict[str, Any]]:
        """What has come, after waiting so long for it at most; nothing where the other end is gone
        or speaks something else, and then the line is not open."""
        if not self.open or not select.select([self.reading], [], [], seconds)[0]:
            return []
        try:
            data = os.read(self.reading, 65536)
        except OSError:
            data = b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.open = bool(data) and len(self._rest) < LARGEST_LINE
        try:
            told = [json.loads(line) for line in lines]
        except ValueError:
            self.open = False
            return []
        return [message for message in told if isinstance(message, dict)]

    def first(self, seconds: float) -> dict[str, Any] | None:
        """The first object that comes within so long; None where none does."""
        deadline = time.monotonic() + seconds
        while self.open and (left := deadline - time.monotonic()) > 0:
            if told := self.new(left):
                return told[0]
        return None

    def close(self) -> None:
        """Let the other end see that this one is gone."""
        self.open = False
        self.owner.close()
