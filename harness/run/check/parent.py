"""Starts what checks, and reads what it finds; imports no torch."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.run.check.report import Finding
from harness.store.helper import call, import_path

SECONDS = 180.0  # after which ranks that hang are ended


def check_device(device: str, ranks: int) -> Iterator[Finding]:
    """Findings about 'cpu' or 'cuda' with so many ranks, as they come."""
    with tempfile.TemporaryDirectory(prefix="harness-check-") as folder:
        rendezvous = Path(folder) / "rendezvous"
        said = [Path(folder) / f"rank{rank}.log" for rank in range(ranks)]
        group = [_spawn(device, rendezvous, rank, ranks, log) for rank, log in enumerate(said)]
        signal.signal(signal.SIGALRM, lambda *_: _end(group))
        signal.alarm(int(SECONDS))
        try:
            for line in group[0].stdout:
                yield Finding(**json.loads(line))
            codes = [process.wait() for process in group]
        finally:
            signal.alarm(0)
            _end(group)
        failed = next((rank for rank, code in enumerate(codes) if code), None)
        if failed is not None:
            lines = said[failed].read_text(errors="replace").splitlines()
            last = next((line for line in reversed(lines) if line.strip()), "it wrote nothing")
            yield Finding(f"rank {failed}", why=f"it ended early: {last.strip()}")


def check_vllm(python: str, device: str) -> Iterator[Finding]:
    """Findings about the vLLM of another python."""
    request = {"python": python, "device": device}
    for told in call("harness.run.check.vllm", request, "checking vLLM"):
        yield Finding(**told)


def _spawn(
    device: str, rendezvous: Path, rank: int, world: int, log: Path
) -> "subprocess.Popen[Any]":
    variables = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    with log.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "harness.run.check.rank", device, str(rendezvous)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=os.environ | variables | {"PYTHONPATH": import_path(), "OMP_NUM_THREADS": "1"},
        )


def _end(group: "list[subprocess.Popen[Any]]") -> None:
    for process in group:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
