"""Files that list machines as DeepSpeed has them: `host slots=N`, a line each."""

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError


@dataclass(frozen=True)
class Host:
    """A machine and how many ranks it takes."""

    name: str
    slots: int


def read_hosts(path: str) -> list[Host]:
    """The hosts of a file, this machine first, which must be among them. Raises ConfigError."""
    where = f"engine.hostfile={path}"
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{where}: cannot be read ({getattr(error, 'strerror', error)})"
        ) from None
    hosts = list[Host]()
    for number, line in enumerate(lines, start=1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        found = re.fullmatch(r"([^\s-]\S*)\s+slots=(\d+)", text)
        if found is None or int(found[2]) < 1:
            raise ConfigError(f"{where}, line {number}: '{text}' is not 'host slots=N' with N >= 1")
        if found[1] in [host.name for host in hosts]:
            raise ConfigError(f"{where}, line {number}: {found[1]} is listed twice; add its slots")
        hosts.append(Host(found[1], int(found[2])))
    here = _here(hosts)
    if here is None:
        raise ConfigError(
            f"{where}: none of its hosts is this machine ({socket.gethostname()}); start the run "
            "on one of them, or add it"
        )
    return [here, *(host for host in hosts if host != here)]


def _here(hosts: list[Host]) -> Host | None:
    own = socket.gethostname()
    names = {"localhost", "127.0.0.1", own, own.partition(".")[0]}
    named = [host for host in hosts if host.name in names]
    return next(iter(named or [host for host in hosts if _is_own_address(host.name)]), None)


def _is_own_address(name: str) -> bool:
    """Does a name lead to an address of this machine? Only to such a one can a socket be bound."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((name, 0))
        return True
    return False
