"""Ranks that are shell scripts, so that a group of them costs nothing."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config.launched import Launched
from harness.run.launch import local
from harness.run.launch.job import RankJob


@pytest.fixture
def ranks_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have every rank run these lines of shell instead, in the folder of the job."""

    def replace(lines: str) -> None:
        script = tmp_path / "python"
        script.write_text(f'#!/bin/bash\ncd "$(dirname "$3")"\n{lines}\n')
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        monkeypatch.setattr(local, "is_forked", lambda job, listener: False)

    return replace


@pytest.fixture
def job(tmp_path: Path) -> RankJob:
    return RankJob(
        store=str(tmp_path), lease="0" * 16, config={}, works=[], device="cpu", threads=3,
        folder=str(tmp_path / "job"),
    )  # fmt: skip


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> tuple[Launched, Launched]:
    """What a launcher tells two processes, at a port that is free; the environment says it too, as
    of the first."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    told = [Launched(rank, 2, rank, 2, "127.0.0.1", port) for rank in range(2)]
    for name, value in {
        "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return told[0], told[1]
