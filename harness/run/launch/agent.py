"""An agent: starts the ranks that another process asks for, and ends with that process.

As a module it is what `engine.hostfile` starts over ssh, with its line on standard input and
output; `serve` is the other way, for the processes that torchrun or srun started.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import __version__
from harness.config.launched import Launched
from harness.config.plain import plain, typed
from harness.errors import ConfigError, StageFailed, Terminated
from harness.run.launch.devices import leased
from harness.run.launch.failure import Failure
from harness.run.launch.job import RankJob, Seat, job_file
from harness.run.launch.local import LocalRanks
from harness.run.launch.network import Line, keep_alive

CONNECT_SECONDS = 50.0
POLL_SECONDS = 0.1
SEEN_SECONDS = 60.0  # a network file system may take as long to show what was just written


def serve(peers: Launched, seconds: float = CONNECT_SECONDS) -> int:
    """Be an agent of the process of rank 0 until it lets this one go; returns the exit code.
    Raises ConfigError where nobody answers, StageFailed where it is gone."""
    connection = _reach(peers, seconds)
    keep_alive(connection)
    line = Line(connection.fileno(), connection.fileno(), connection)
    seen = connection.getpeername()[0]
    agent = Agent(line, [Seat(peers.rank, peers.local_rank)], seen, leases=False)
    if not agent.work():
        raise StageFailed(f"rank 0, at {peers.address}, is gone; rank {peers.rank} ends with it")
    return 0


def _reach(peers: Launched, seconds: float) -> socket.socket:
    deadline, reason = time.monotonic() + seconds, "no time"
    while time.monotonic() < deadline:
        try:
            left = max(0.1, deadline - time.monotonic())
            reached = socket.create_connection((peers.address, peers.port), timeout=left)
        except OSError as error:
            reason = error.strerror or str(error)
            time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))
            continue
        reached.settimeout(None)
        return reached
    raise ConfigError(
        f"MASTER_ADDR={peers.address}: nobody answers at port {peers.port} within {seconds:.0f} "
        f"seconds ({reason}); it must lead to the machine of RANK 0, which was started with the "
        "same MASTER_PORT"
    )


class Agent:
    """seats: the ranks that it takes of every job. leases: does it choose their GPUs?"""

    def __init__(self, line: Line, seats: Sequence[Seat], seen: str | None, leases: bool) -> None:
        self.line, self.seats, self.leases = line, seats, leases
        pairs = [[seat.rank, seat.local_rank] for seat in seats]
        host = socket.gethostname()
        line.send({"harness": __version__, "host": host, "seats": pairs, "seen": seen})

    def work(self) -> bool:
        """Do job after job; False where the other end is gone instead of letting this one go."""
        while self.line.open:
            for message in self.line.new(1.0):
                if "end" in message:
                    return True
                if "job" in message:
                    self._do(Path(message["job"]), int(message["world"]))
        return False

    def _do(self, folder: Path, world: int) -> None:
        try:
            job = _read_job(folder)
            count = len(self.seats) if self.leases and job.device == "cuda" else 0
            with leased(count, self._still_wanted) as variables:
                self._run(LocalRanks(job, self.seats, world, variables))
        except StageFailed as error:
            for seat in self.seats:
                why = Failure(seat.rank, str(error), host=socket.gethostname())
                self._ended(folder, seat.rank, 1, why)

    def _run(self, ranks: LocalRanks) -> None:
        told = set[int]()
        try:
            while len(told) < len(ranks.processes) and self.line.open:
                for message in self.line.new(POLL_SECONDS):
                    if "leave" in message:
                        ranks.ask_to_leave()
                    elif "stop" in message:
                        ranks.stop()
                for rank, code in ranks.codes().items():
                    if code is not None and rank not in told:
                        told.add(rank)
                        self._report(ranks, rank, code)
        except Terminated:  # a batch system tells all machines at once
            ranks.leave()
            raise
        finally:
            ranks.stop()

    def _report(self, ranks: LocalRanks, rank: int, code: int) -> None:
        self._ended(ranks.folder, rank, code, ranks.failure(rank, code) if code else None)

    def _ended(self, job: Path, rank: int, code: int, why: Failure | None) -> None:
        about: dict[str, Any] = {"job": str(job), "ended": rank, "code": code}
        self.line.send(about | {"why": plain(why)})

    def _still_wanted(self, holder: str) -> None:
        """Raise StageFailed where the group was stopped while it waits for GPUs."""
        if self.line.new(0.0) or not self.line.open:
            raise StageFailed(f"{socket.gethostname()} waits for its GPUs: {holder}")


def _read_job(folder: Path) -> RankJob:
    """The job of a folder on the store that all machines share. Raises StageFailed where it does
    not appear."""
    deadline = time.monotonic() + SEEN_SECONDS
    while not job_file(folder).is_file():
        if time.monotonic() > deadline:
            raise StageFailed(
                f"{folder} is not there on {socket.gethostname()}: the machines of a job share "
                "store.root, under one path"
            )
        time.sleep(0.5)
        if folder.parent.is_dir():
            os.listdir(folder.parent)  # has a network file system look again
    return typed(RankJob, json.loads(job_file(folder).read_text()))


def main() -> int:
    """Over standard input and output, of which nothing else may make use."""
    writing = os.dup(1)
    os.dup2(2, 1)
    line = Line(0, writing, sys.stdin)
    while line.open:
        for request in line.new(1.0):
            os.environ.update(request["variables"])
            seats = [Seat(rank, local) for rank, local in request["seats"]]
            client = os.environ.get("SSH_CONNECTION", "").split(" ")[0] or None
            return 0 if Agent(line, seats, client, leases=True).work() else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
