"""Ranks that a fork server makes are as those that are started alone."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.places import REPOSITORY

from harness.run.launch.forked import Forked, ForkServer, fork_server


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    left = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return left | {"PYTHONPATH": str(REPOSITORY), "RANK": "0", "WORLD_SIZE": "1"}


@pytest.fixture(scope="module")
def server(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> ForkServer:
    return fork_server(variables, tmp_path_factory.mktemp("server"))


@pytest.fixture
def waiting(server: ForkServer, variables: dict[str, str], tmp_path: Path) -> Forked:
    """A process that waits for its job file, a pipe into which nobody writes."""
    os.mkfifo(tmp_path / "job.json")
    forked = server.start([str(tmp_path / "job.json")], variables, tmp_path / "log")
    while not (tmp_path / "log").exists():
        time.sleep(0.02)
        assert forked.poll() is None
    return forked


def end(forked: Forked, number: signal.Signals) -> int:
    forked.send_signal(number)
    return forked.wait(30.0)


def test_the_code_and_the_log_of_one_that_fails(
    server: ForkServer, variables: dict[str, str], tmp_path: Path
) -> None:
    forked = server.start([str(tmp_path / "absent.json")], variables, tmp_path / "log")
    assert forked.wait(60.0) == 1
    assert "FileNotFoundError" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it(waiting: Forked, number: signal.Signals) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.2)
    assert end(waiting, number) == -number


def test_its_own_variables_folder_and_session(
    waiting: Forked, server: ForkServer, variables: dict[str, str]
) -> None:
    (child,) = children(server.process.pid)
    told = Path(f"/proc/{child}")
    assert told.joinpath("cwd").resolve() == Path.cwd()
    assert told.joinpath("fd/0").resolve() == Path(os.devnull)
    assert os.getsid(child) == child
    end(waiting, signal.SIGKILL)


def test_one_server_as_long_as_the_variables_stay(
    server: ForkServer, variables: dict[str, str], tmp_path: Path
) -> None:
    assert fork_server(variables | {"RANK": "1", "WORLD_SIZE": "2"}, tmp_path) is server
    assert server.serves(variables)
    assert not server.serves(variables | {"OMP_NUM_THREADS": "7"})
    assert not server.serves(variables | {"HF_HOME": str(tmp_path)})


def test_what_a_killed_server_has_forked_ends_with_it(
    variables: dict[str, str], tmp_path: Path
) -> None:
    server = ForkServer(variables, tmp_path / "server.log")
    os.mkfifo(tmp_path / "job.json")
    forked = server.start([str(tmp_path / "job.json")], variables, tmp_path / "log")
    while not (tmp_path / "log").exists():
        time.sleep(0.02)
    (child,) = children(server.process.pid)
    server.process.kill()
    assert forked.wait(30.0) == -signal.SIGKILL
    while Path(f"/proc/{child}").exists():
        time.sleep(0.02)
    assert not server.serves(variables)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
