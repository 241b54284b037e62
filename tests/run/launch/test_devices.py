"""Jobs side by side never share a GPU. nvidia-smi is a script; nothing here touches a device."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import REPOSITORY

from harness.config import EngineConfig
from harness.config.machine import Gpu, gpus, machine, rank_mistakes
from harness.errors import StageFailed
from harness.run.launch.devices import leased, shares

# Leases a GPU, says which, and gives it back when its input ends.
JOB = """
import sys
from harness.run.launch.devices import leased
with leased(1, lambda holder: print("waits for", holder, flush=True)) as variables:
    print("has", variables["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def eight_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nvidia-smi says on a machine with eight GPUs, and an empty folder of locks."""
    script = tmp_path / "bin" / "nvidia-smi"
    script.parent.mkdir()
    lines = "".join(f"echo 'GPU {i}: NVIDIA H100 (UUID: GPU-{i}{i})'\n" for i in range(8))
    script.write_text(f"#!/bin/sh\n{lines}")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HARNESS_LOCKS", str(tmp_path / "locks"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def job() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", JOB],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_eight_jobs_get_eight_gpus_and_a_ninth_waits(eight_gpus: None) -> None:
    jobs = [job() for _ in range(8)]
    try:
        told = [line(process) for process in jobs]
        assert sorted(told) == [f"has {index}" for index in range(8)]
        ninth = job()
        jobs.append(ninth)
        holder = told.index("has 0")
        assert line(ninth) == (
            f"waits for process {jobs[holder].pid} on {os.uname().nodename}, which has GPU 0"
        )
        freed = told.index("has 5")
        jobs[freed].kill()  # without giving it back
        jobs[freed].wait()
        said = line(ninth)
        while said.startswith("waits"):
            said = line(ninth)
        assert said == "has 5"
    finally:
        for process in jobs:
            process.kill()
            process.communicate()


def test_all_that_are_asked_for_or_none(eight_gpus: None) -> None:
    class Waited(Exception):
        pass

    def wait(holder: str) -> None:
        raise Waited

    with leased(5, wait) as first:
        assert first["CUDA_VISIBLE_DEVICES"] == "0,1,2,3,4"
        with pytest.raises(Waited), leased(4, wait):
            pass
        with leased(3, wait) as second:  # what was too few for four is free again
            assert second["CUDA_VISIBLE_DEVICES"] == "5,6,7"
    with leased(8, wait) as third:
        assert third["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_only_what_the_user_makes_visible(
    eight_gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6, 2")
    assert gpus() == [Gpu("6", "GPU-66"), Gpu("2", "GPU-22")]
    with leased(2, print) as variables:
        assert variables["CUDA_VISIBLE_DEVICES"] == "6,2"
    with (
        pytest.raises(StageFailed, match="but there are 2 GPUs"),
        leased(3, print),
    ):
        pass
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == []


def test_groups_side_by_side_see_gpus_of_their_own(eight_gpus: None) -> None:
    with leased(3, print) as variables:
        training, scoring = shares(variables, [2, 1])
    assert training["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert scoring["CUDA_VISIBLE_DEVICES"] == "2"
    assert [*shares({}, [2, 1])] == [{}, {}]
    told = "engine.ranks=8 and eval.beside=1, but there are 8 GPUs"
    with (
        pytest.raises(StageFailed, match=told),
        leased(9, print, "engine.ranks=8 and eval.beside=1"),
    ):
        pass


@pytest.mark.parametrize(
    ("ranks", "beside", "told"),
    [
        (None, 1, []),  # the other seven train
        (6, 2, []),
        (
            6,
            3,
            ["eval.beside=3: with engine.ranks=6 that makes 9 ranks, but there are 8 GPUs; use"],
        ),
        (None, 8, ["eval.beside=8: with engine.ranks=1 that makes 9 ranks, but there are 8 GPUs"]),
    ],
)
def test_both_groups_have_to_fit(
    eight_gpus: None, ranks: int | None, beside: int, told: list[str]
) -> None:
    engine = EngineConfig(ranks=ranks)
    found = [*rank_mistakes(engine, len(gpus()), beside)]
    assert len(found) == len(told)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True))
    assert machine(engine, beside)[:2] == ("cuda", ranks or max(1, 8 - beside))


def test_without_gpus_there_is_nothing_to_lease(tmp_path: Path) -> None:
    with leased(0, print) as variables:
        assert variables == {}
