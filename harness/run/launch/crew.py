"""Who takes the ranks of a job: this process, and agents elsewhere, which it leads.

An agent is a small process that starts ranks when this one says so. It is either started over ssh
on the hosts of `engine.hostfile`, or the user's launcher (torchrun, srun) has started one process
per rank, all with the same command line: the one of rank 0 leads, the others are its agents.
"""

import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import __version__
from harness.config import EngineConfig
from harness.config.hostfile import read_hosts
from harness.config.launched import Launched, launched
from harness.config.machine import machine
from harness.config.plain import typed
from harness.errors import ConfigError
from harness.run.launch.failure import Failure, Fault
from harness.run.launch.job import Seat
from harness.run.launch.network import Line, keep_alive
from harness.run.launch.ssh import connected

GATHER_SECONDS = 50.0


@dataclass
class Member:
    """An agent and the ranks that it takes. seen: this process's address, as the agent sees it;
    empty where it cannot tell. codes: of the group that runs, None for a rank that still does."""

    line: Line
    host: str
    seats: list[Seat]
    seen: str
    group: str = ""
    codes: dict[int, int | None] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)

    def start(self, folder: Path, world: int) -> None:
        """Have it start its ranks of the job whose file lies in this folder."""
        self.codes = {seat.rank: None for seat in self.seats}
        self.failures, self.group = {}, str(folder)
        self.line.send({"job": self.group, "world": world})

    def hear(self, seconds: float = 0.0) -> None:
        """Take note of what it has said meanwhile."""
        for told in self.line.new(seconds):
            if told["job"] != self.group:  # of an earlier one, which took long to stop
                continue
            rank, code = int(told["ended"]), int(told["code"])
            self.codes[rank] = code
            if code:
                self.failures[rank] = typed(Failure, told["why"])
        if not self.line.open:
            for rank in [rank for rank, code in self.codes.items() if code is None]:
                gone = f"rank {rank}: its process on {self.host} is gone, or the machine is"
                lost = Failure(rank, gone, host=self.host, kind=Fault.lost)
                self.codes[rank], self.failures[rank] = 1, lost

    def leave(self) -> None:
        """Have its ranks keep what they train, and end."""
        if None in self.codes.values():
            self.line.send({"leave": True})

    def stop(self) -> None:
        """Have it end what still runs of the group."""
        if None in self.codes.values():
            self.line.send({"stop": True})


@dataclass(frozen=True)
class Crew:
    """seats: the ranks that this process starts itself, rank 0 among them. address: where the
    members reach this machine. leases: does this process choose its GPUs (else its launcher has)?
    """

    seats: Sequence[Seat]
    members: Sequence[Member] = ()
    address: str = ""
    leases: bool = True

    @property
    def world(self) -> int:
        return len(self.seats) + sum(len(member.seats) for member in self.members)

    @property
    def whole(self) -> bool:
        """Is none of the members gone?"""
        return all(member.line.open for member in self.members)


_JOINED: ContextVar[Crew | None] = ContextVar("_JOINED", default=None)


@contextmanager
def crew_for(engine: EngineConfig, beside: int = 0) -> Iterator[Crew]:
    """The crew that trains, as a configuration means it. beside: as `eval.beside`, ranks that share
    the machine with it. Raises ConfigError where a host is out of reach."""
    if launched():
        crew = _JOINED.get()
        if crew is None:
            raise ConfigError(
                "a launcher (torchrun, srun) started several processes, but a launcher of Hydra's "
                "starts others; leave one of the two out"
            )
        yield crew
    elif engine.hostfile is not None:
        with _over_ssh(engine.hostfile) as crew:
            yield crew
    else:
        yield local_crew(machine(engine, beside)[1])


@contextmanager
def joined(peers: Launched, seconds: float = GATHER_SECONDS) -> Iterator[None]:
    """Gather the other processes of a launcher around this one of rank 0, which `crew_for` answers
    until the context ends and lets them go. Raises ConfigError where some do not come."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server(("", peers.port)))
        except OSError as error:
            raise ConfigError(
                f"port {peers.port} of this machine, where the other ranks would look for rank 0, "
                f"cannot be used ({error.strerror}); set another MASTER_PORT"
            ) from None
        members = dict[int, Member]()
        stack.callback(lambda: _dismiss(member.line for member in members.values()))
        deadline = time.monotonic() + seconds
        while len(members) < peers.world - 1:
            server.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                connection, (address, _) = server.accept()
            except TimeoutError:
                raise ConfigError(_absent(members, peers, seconds)) from None
            _admit(connection, address, members, peers)
        first = Seat(0, peers.local_rank)
        # Others of this machine may have come by loopback, which leads nobody else here.
        seen = sorted((m.seen for m in members.values()), key=lambda ip: ip.startswith("127."))
        crew = Crew([first], list(members.values()), seen[0], leases=False)
        reset = _JOINED.set(crew)
        stack.callback(_JOINED.reset, reset)
        yield


def _admit(
    connection: socket.socket, address: str, members: dict[int, Member], peers: Launched
) -> None:
    """Make an agent of whoever has connected, unless it is something else."""
    keep_alive(connection)
    line = Line(connection.fileno(), connection.fileno(), connection)
    hello = line.first(10.0)
    try:
        member = member_of(hello, line, address) if hello else None
    except ConfigError:
        _dismiss([line])
        raise
    rank = member.seats[0].rank if member else 0
    if member is None or rank in members or not 0 < rank < peers.world:
        line.close()
    else:
        members[rank] = member


def member_of(hello: dict[str, Any], line: Line, host: str) -> Member | None:
    """The agent that has said hello; None where it is none. Raises ConfigError where it is one of
    another version."""
    version = hello.get("harness")
    if version is None:
        return None
    if version != __version__:
        raise ConfigError(f"{host} has version {version} of the harness, here is {__version__}")
    seats = [Seat(rank, local) for rank, local in hello["seats"]]
    return Member(line, str(hello["host"]), seats, str(hello["seen"] or ""))


def _absent(members: dict[int, Member], peers: Launched, seconds: float) -> str:
    missing = [str(rank) for rank in range(1, peers.world) if rank not in members]
    return (
        f"WORLD_SIZE={peers.world}, but within {seconds:.0f} seconds RANK {', '.join(missing)} did "
        f"not come to this machine's port {peers.port}; was it started, with the same MASTER_ADDR "
        "and MASTER_PORT?"
    )


def _dismiss(lines: Iterable[Line]) -> None:
    for line in lines:
        line.send({"end": True})
        line.close()


@contextmanager
def _over_ssh(hostfile: str) -> Iterator[Crew]:
    here, *others = read_hosts(hostfile)
    first, wanted = here.slots, dict[str, list[Seat]]()
    for host in others:
        wanted[host.name] = [Seat(first + local, local) for local in range(host.slots)]
        first += host.slots
    members = dict[int, Member]()
    with connected(wanted, f"engine.hostfile={hostfile}", GATHER_SECONDS) as greeted:
        for name, (line, hello) in greeted.items():
            member = member_of(hello, line, name)
            if member is None:
                raise ConfigError(f"engine.hostfile={hostfile}: {name} answers something else")
            members[member.seats[0].rank] = member
        try:
            seen = [member.seen for member in members.values() if member.seen]
            yield Crew(_seats(here.slots), list(members.values()), (*seen, here.name)[0])
        finally:
            _dismiss(member.line for member in members.values())


def local_crew(count: int) -> Crew:
    """So many ranks of this machine, and no others."""
    return Crew(_seats(count))


def _seats(count: int) -> list[Seat]:
    return [Seat(rank, rank) for rank in range(count)]
