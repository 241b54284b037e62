"""What launchers tell, and files of hosts."""

import socket
from pathlib import Path

import pytest

from harness.config.hostfile import Host, read_hosts
from harness.config.launched import Launched, first_host, launched
from harness.errors import ConfigError

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "gpu01",
    "MASTER_PORT": "29400",
}
SRUN = {
    "SLURM_PROCID": "9",
    "SLURM_STEP_NUM_TASKS": "16",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_TASKS_PER_NODE": "8(x2)",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_JOB_ID": "41234",
}


def test_what_torchrun_tells() -> None:
    assert launched(TORCHRUN) == Launched(3, 4, 1, 2, "gpu01", 29400)
    # it listens at its port itself
    assert launched(TORCHRUN | {"TORCHELASTIC_RUN_ID": "none"}).port == 29401


def test_what_srun_tells() -> None:
    found = launched(SRUN)
    assert found == Launched(9, 16, 1, 8, "gpu07", 12000 + 41234 % 20000)
    told = SRUN | {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "5000"}
    assert launched(told) == Launched(9, 16, 1, 8, "10.0.0.1", 5000)


@pytest.mark.parametrize(
    "told",
    [
        {},
        TORCHRUN | {"WORLD_SIZE": "1", "RANK": "0"},
        {"RANK": "0", "WORLD_SIZE": "2"},  # a rank of ours, which no launcher has started
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_LOCALID": "0"},  # a batch script
        SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},
    ],
)
def test_a_process_alone(told: dict[str, str]) -> None:
    assert launched(told) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"RANK": "a"}, "RANK=a: a launcher"),
        ({"RANK": ""}, "RANK is not set: a launcher"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT=http: a launcher"),
        ({"RANK": "4"}, "RANK=4: with WORLD_SIZE=4"),
        ({"MASTER_PORT": "99999"}, "MASTER_PORT=99999: ports are 1 to 65535"),
        ({"MASTER_PORT": "0"}, "MASTER_PORT=0: ports are"),
    ],
)
def test_variables_that_are_wrong(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        launched(TORCHRUN | wrong)


@pytest.mark.parametrize(
    ("listed", "host"),
    [
        ("gpu01", "gpu01"),
        ("gpu01,gpu02", "gpu01"),
        ("gpu[07-09,12],big", "gpu07"),
        ("gpu[3,5]", "gpu3"),
        ("r1[01-02].net,a", "r101.net"),
    ],
)
def test_the_first_host_of_a_list(listed: str, host: str) -> None:
    assert first_host(listed) == host


def test_this_machine_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text(f"# two of them\nfar slots=2\n\n{socket.gethostname()} slots=4  # here\n")
    assert read_hosts(str(file)) == [Host(socket.gethostname(), 4), Host("far", 2)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("localhost slots=2\nfar 3\n", "line 2: 'far 3' is not 'host slots=N'"),
        ("localhost slots=0\n", "line 1: .* with N >= 1"),
        ("-oProxyCommand=x slots=1\n", "line 1: .* is not 'host slots=N'"),
        ("localhost slots=1\nfar slots=1\nfar slots=1\n", "line 3: far is listed twice"),
        ("192.0.2.1 slots=1\n", "none of its hosts is this machine"),
    ],
)
def test_a_file_that_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_hosts(str(file))
