"""The ranks of this machine as processes: started, looked after, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.models.determinism import kernel_variables
from harness.run.launch.failure import Failure, Fault, failure_of
from harness.run.launch.forked import Forked, fork_server, rank_variables
from harness.run.launch.job import RankJob, Seat, job_file, log_file
from harness.run.launch.network import interface_towards, tcp_address
from harness.run.launch.oom_kills import oom_kills
from harness.train.leaving import LEAVE

GRACE_SECONDS = 5.0
# For a stage to be kept by ranks that have to go: SLURM kills 30 seconds behind its SIGTERM.
KEEP_SECONDS = 20.0


class LocalRanks:
    """Some ranks of a job whose file is written, each a process that dies with this one.

    variables: for all of them, besides this process's. listener: a listening socket for the first
    of them, over which all ranks of the job meet.
    """

    def __init__(
        self,
        job: RankJob,
        seats: Sequence[Seat],
        world: int,
        variables: Mapping[str, str],
        listener: int | None = None,
    ) -> None:
        self.folder, self.oom_kills = Path(job.folder), oom_kills()
        common = _variables(job, world) | dict(variables)
        self.processes = {
            seat.rank: self._spawn(job, seat, common, listener if seat.rank == 0 else None)
            for seat in seats
        }

    def _spawn(
        self, job: RankJob, seat: Seat, common: Mapping[str, str], listener: int | None
    ) -> "subprocess.Popen[bytes] | Forked":
        own = {"RANK": str(seat.rank), "LOCAL_RANK": str(seat.local_rank)}
        variables = os.environ | common | own
        argv, log = [str(job_file(job.folder))], log_file(job.folder, seat.rank)
        if is_forked(job, listener):
            return fork_server(variables).start(argv, variables, log)
        if listener is not None:
            variables["HARNESS_LISTENER"] = str(listener)
        with log.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "harness.run.rank", *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=variables,
                pass_fds=() if listener is None else (listener,),
                start_new_session=True,
            )

    def codes(self) -> dict[int, int | None]:
        """Rank -> exit code, None while it runs."""
        return {rank: process.poll() for rank, process in self.processes.items()}

    def failure(self, rank: int, code: int) -> Failure:
        """Why one of them ended with this code, which is not 0. One that was killed is taken to
        have been killed for want of memory where the kernel has done that meanwhile."""
        found = failure_of(self.folder, rank, code)
        starved = code == -signal.SIGKILL and oom_kills() > self.oom_kills
        return replace(found, kind=Fault.starved) if starved else found

    def ask_to_leave(self) -> None:
        """Have those that train keep their stage at the end of their step. Others end at once."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(LEAVE)

    def leave(self) -> None:
        """The same, and wait for all to end, as long as that may take."""
        self.ask_to_leave()
        deadline = time.monotonic() + KEEP_SECONDS
        with suppress(subprocess.TimeoutExpired):
            for process in self.processes.values():
                process.wait(max(0.0, deadline - time.monotonic()))

    def stop(self) -> None:
        """Terminate what still runs, then kill it."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for process in self.processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def is_forked(job: RankJob, listener: int | None) -> bool:
    """Can a fork server make the rank? A GPU's driver and a descriptor do not come along."""
    return job.device == "cpu" and listener is None


def _variables(job: RankJob, world: int) -> dict[str, str]:
    found = rank_variables(job.threads) | {"WORLD_SIZE": str(world)}
    if job.device == "cuda" and "PYTORCH_ALLOC_CONF" not in os.environ:
        # Batches of many lengths fragment memory otherwise. (The older name: 2.8 knows no other.)
        given = os.environ.get("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
        found["PYTORCH_CUDA_ALLOC_CONF"] = given
    if job.device == "cuda" and job.deterministic:
        ours = kernel_variables().items()
        found |= {name: value for name, value in ours if name not in os.environ}
    if (meeting := tcp_address(job.rendezvous)) and "GLOO_SOCKET_IFNAME" not in os.environ:
        # By itself gloo takes the interface of this machine's name, which is often loopback.
        interface = interface_towards(meeting[0])
        found |= {"GLOO_SOCKET_IFNAME": interface} if interface else {}
    return found
