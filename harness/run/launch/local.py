"""Spawn the ranks of a worker group, follow them, and never leave one behind; no torch here."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness.config.plain import plain
from harness.run.events import Event, EventReader
from harness.run.launch.job import RankJob
from harness.store.files import write_json
from harness.store.helper import import_path

GRACE_SECONDS = 5.0
POLL_SECONDS = 0.1


def new_rendezvous() -> str:
    """A path on this machine over which the ranks of one group find each other."""
    return str(Path(tempfile.mkdtemp(prefix="harness-")) / "rendezvous")


class WorkerGroup:
    """The ranks of one job: N processes that share a job file and die with this one."""

    def __init__(self, job: RankJob, world: int) -> None:
        self.folder, self.world = Path(job.folder), world
        self.rendezvous = Path(job.rendezvous)
        self.reader = EventReader(self.folder, world)
        path = write_json(self.folder / "job.json", plain(job))
        self.processes = [self._spawn(path, rank, job.threads) for rank in range(world)]

    def _spawn(self, path: Path, rank: int, threads: int) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(self.world),
            "OMP_NUM_THREADS": str(threads),
            "PYTHONUNBUFFERED": "1",
            # How long a thread spins before it sleeps. Endless spinning (the default) is 30 times
            # slower as soon as a core is busy with something else, none is twice as slow always.
            "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "10000"),
            "PYTHONPATH": import_path(),
        }
        with self.log(rank).open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "harness.run.rank", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def log(self, rank: int) -> Path:
        """Log file of a rank."""
        return self.folder / f"rank{rank}.log"

    def wait(self, follow: Callable[[Event], None]) -> int | None:
        """Follow the group to its end, passing every event on. Returns the first rank that
        failed, or None; the others are stopped as soon as one fails."""
        failed = None
        try:
            while failed is None and any(process.poll() is None for process in self.processes):
                time.sleep(POLL_SECONDS)
                for event in self.reader.new():
                    follow(event)
                codes = [process.poll() for process in self.processes]
                failed = next((rank for rank, code in enumerate(codes) if code), None)
            for event in self.reader.new():
                follow(event)
        finally:
            self.stop()
        return failed

    def stop(self) -> None:
        """Terminate what still runs, then kill it."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for process in self.processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.rendezvous.unlink(missing_ok=True)
        if self.rendezvous.parent.exists():
            self.rendezvous.parent.rmdir()

    def cause(self, rank: int) -> str:
        """The last telling line of a rank's log."""
        said = self.log(rank).read_text(errors="replace").splitlines()
        lines = [line for line in said if not line.startswith("warning: ")]
        errors = [line for line in lines if "Error" in line or "StageFailed" in line]
        told = errors or [line for line in lines if line.strip()] or ["it wrote nothing"]
        line = re.sub(r"^\[rank\d+\]:\s*", "", told[-1].strip())
        return line.removeprefix("harness.errors.StageFailed: ")
