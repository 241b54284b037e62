"""Ranks that a fork server makes are as those that are started alone."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.places import REPOSITORY

from harness.config.plain import plain
from harness.run.launch.forked import PARENT, Forked, ForkServer, fork_server
from harness.run.launch.job import RankJob

pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    left = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return left | {
        PARENT: str(os.getpid()),
        "PYTHONPATH": str(REPOSITORY),
        "RANK": "0",
        "WORLD_SIZE": "1",
    }


@pytest.fixture(scope="module")
def server(variables: dict[str, str]) -> ForkServer:
    return fork_server(variables)


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


def test_its_own_folder_session_and_descriptors(
    server: ForkServer,
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    os.mkfifo(tmp_path / "job.json")
    monkeypatch.chdir(tmp_path)
    forked = server.start(["job.json"], variables, tmp_path / "log")
    while not (tmp_path / "log").exists():
        time.sleep(0.02)
    (child,) = children(server.process.pid)
    told = Path(f"/proc/{child}")
    assert told.joinpath("cwd").resolve() == tmp_path
    assert os.getsid(child) == child
    open_ones = {path.name: path.resolve() for path in told.joinpath("fd").iterdir()}
    assert open_ones["0"] == Path(os.devnull)
    assert open_ones["1"] == open_ones["2"] == tmp_path / "log"
    assert not [path for path in open_ones.values() if "socket" in path.name]
    assert len(os.listdir(f"/proc/{server.process.pid}/task")) == threads_of_libraries(server)
    end(forked, signal.SIGKILL)


def threads_of_libraries(server: ForkServer) -> int:
    """The server's own thread, and those of Arrow's allocator, which survive no fork and need
    not."""
    names = [
        (path / "comm").read_text().strip()
        for path in Path(f"/proc/{server.process.pid}/task").iterdir()
    ]
    return 1 + sum("jemalloc" in name for name in names)


def test_its_own_variables(server: ForkServer, variables: dict[str, str], tmp_path: Path) -> None:
    job = RankJob(str(tmp_path), "0" * 16, {}, [], "cpu", 1, str(tmp_path))
    (tmp_path / "job.json").write_text(json.dumps(plain(job)))
    given = variables | {"RANK": "seventh"}
    forked = server.start([str(tmp_path / "job.json")], given, tmp_path / "log")
    assert forked.wait(60.0) == 1
    assert "'seventh'" in (tmp_path / "log").read_text()


def test_a_server_that_cannot_begin_says_why(variables: dict[str, str], tmp_path: Path) -> None:
    """As where a library's own start-up fails hard."""
    (tmp_path / "deepspeed.py").write_text(
        "import os, sys\nprint('Error: no room', flush=True)\nos._exit(3)\n"
    )
    path = f"{tmp_path}{os.pathsep}{variables['PYTHONPATH']}"
    server = ForkServer(variables | {"PYTHONPATH": path})
    forked = server.start(["job.json"], variables, tmp_path / "log")
    assert forked.wait(60.0) == 1
    assert "Error: no room" in (tmp_path / "log").read_text()


def test_one_that_has_not_begun_is_killed_with_the_server(
    variables: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "deepspeed.py").write_text("import time\ntime.sleep(600)\n")
    path = f"{tmp_path}{os.pathsep}{variables['PYTHONPATH']}"
    server = ForkServer(variables | {"PYTHONPATH": path})
    forked = server.start(["job.json"], variables, tmp_path / "log")
    forked.kill()
    assert forked.wait(30.0) == -signal.SIGKILL
    assert server.process.poll() == -signal.SIGKILL


def test_one_server_as_long_as_the_variables_stay(
    server: ForkServer, variables: dict[str, str], tmp_path: Path
) -> None:
    assert fork_server(variables | {"RANK": "1", "WORLD_SIZE": "2"}) is server
    assert server.serves(variables)
    assert not server.serves(variables | {"OMP_NUM_THREADS": "7"})
    assert not server.serves(variables | {"HF_HOME": str(tmp_path)})


def test_what_a_killed_server_has_forked_ends_with_it(
    variables: dict[str, str], tmp_path: Path
) -> None:
    server = ForkServer(variables)
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
