"""A command that will make ranks here has their imports begin at once; others start nothing."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.config import EngineConfig
from harness.config.machine import machine
from harness.run.launch import early, forked


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The variables of the servers that were asked for, on a machine without GPUs."""
    found: list[dict[str, str]] = []
    monkeypatch.setattr(early, "fork_server", lambda variables: found.append(dict(variables)))
    monkeypatch.setattr(early.shutil, "which", lambda name: None)
    for name in ("OMP_NUM_THREADS", *early.LAUNCHED):
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.mark.parametrize(
    "words", [["method=seqft"], ["run", "method=seqft"], ["-m", "seed=0,1"], ["run", "-m", "a=1,2"]]
)
def test_a_run_begins_early(started: list, words: list[str]) -> None:
    early.start_early(words)
    assert len(started) == 1


@pytest.mark.parametrize(
    "words",
    [
        [], ["--help"], ["plan", "method=seqft"], ["tables"], ["--cfg", "job"], ["run"],
        ["method=seqft", "--cfg", "job"], ["engine.hostfile=hosts"], ["-cd", "mine", "method=own"],
        ["-m", "hydra/launcher=slurm_gpu", "seed=0,1"],
        ["-m", "hydra.launcher.n_jobs=2", "seed=0,1"],
    ],
)  # fmt: skip
def test_what_makes_no_ranks_here_does_not(started: list, words: list[str]) -> None:
    early.start_early(words)
    assert started == []


def test_nor_does_a_process_of_a_launcher_or_a_machine_with_gpus(
    started: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    early.start_early(["method=seqft"])
    assert started == []
    early.start_early(["method=seqft", "engine.device=cpu"])
    assert len(started) == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    early.start_early(["method=seqft", "engine.device=cpu"])
    assert len(started) == 1


@pytest.mark.parametrize("settings", [{}, {"ranks": 1}, {"ranks": 2}, {"ranks": 2, "threads": 3}])
@pytest.mark.parametrize(("asked", "beside"), [(None, 0), (None, 1), ("3", 0)])
def test_ranks_have_the_variables_of_the_server(
    started: list, monkeypatch: pytest.MonkeyPatch, settings: dict, asked: str | None, beside: int
) -> None:
    """Else the server would have been started for nothing."""
    monkeypatch.setattr("harness.config.machine.gpu_count", lambda: 0)
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr("harness.config.machine.cpu_cores", lambda: 6)
    monkeypatch.setattr(early.os, "sched_getaffinity", lambda pid: set(range(6)))
    words = [*(f"engine.{k}={v}" for k, v in settings.items()), f"eval.beside={beside}"]
    early.start_early(["method=seqft", *words])
    threads = machine(EngineConfig(**settings), beside)[2]
    assert started == [os.environ | forked.rank_variables(threads)]


def test_an_early_server_that_nobody_needs_is_ended(tmp_path: Path) -> None:
    """At once, though it may still import."""
    variables = os.environ | forked.rank_variables(1) | {"HARNESS_TEST_PLACE": str(tmp_path)}
    server = forked.fork_server(variables)
    assert server.process.poll() is None
    forked.no_fork_server()
    assert server.process.poll() is not None


def test_a_killed_command_leaves_no_server_that_still_imports(tmp_path: Path) -> None:
    imports = tmp_path / "imports"
    (tmp_path / "deepspeed.py").write_text(
        f"import time\nopen({str(imports)!r}, 'w').close()\ntime.sleep(600)\n"
    )
    code = (
        "import os, sys, time\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from harness.run.launch.forked import fork_server, rank_variables\n"
        "print(fork_server(os.environ | rank_variables(1)).process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    server = Path("/proc", command.stdout.readline().strip())
    while not imports.exists():
        time.sleep(0.02)
    command.kill()
    command.communicate()
    tries = 0
    while server.is_dir() and tries < 1000:
        time.sleep(0.02)
        tries += 1
    assert not server.is_dir()


def test_what_was_complete_begins_no_server_again(started: list, tmp_path: Path) -> None:
    words = ["method=seqft", f"store.root={tmp_path}"]
    early.note_end(words, complete=True)  # there is no store
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "cache").mkdir()
    early.note_end(words, complete=True)
    early.start_early(words)
    early.start_early(["run", *words])
    assert started == []
    early.start_early([*words, "seed=1"])
    assert len(started) == 1
    early.note_end(words, complete=False)
    early.start_early(words)
    assert len(started) == 2
