"""One job on several machines, several runs on one store from several machines.

The machines are namespaces: network, processes, name, mounts of their own (tests/support/machines).
"""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from safetensors.torch import load_file
from support.command import Done, environment, harness, in_a_process
from support.machines import two_machines
from support.no_flock import can_be_without_locks, without_locks
from support.places import REPOSITORY
from support.slurm import slurm

pytestmark = pytest.mark.distributed

FEW = ["eval.past=ends", "eval.stage0=false", "eval.limit=1", "engine=zero2", "engine.threads=1"]
# Stages hang on nothing behind them, so this one is that of a longer run.
FIRST = "sequence.tasks=[copy]"
# What rank 1 does before the first step, while the others wait for it.
UNWELL = """
import os
from dataclasses import dataclass
from harness.methods import Strategy
@dataclass
class Unwell(Strategy):
    def start(self, stage):
        if os.environ["RANK"] == "1":
            raise ValueError("rank 1 is unwell")
"""
# Rank 1 ends the process that has started it on its machine, once.
CUT_OFF = """
import os, pathlib, signal, time
from dataclasses import dataclass
from harness.methods import Strategy
@dataclass
class CutOff(Strategy):
    def start(self, stage):
        mark = pathlib.Path("cut_off")
        if os.environ["RANK"] == "1" and not mark.exists():
            mark.touch()
            server = pathlib.Path(f"/proc/{os.getppid()}/stat").read_text()
            os.kill(int(server.rpartition(")")[2].split()[1]), signal.SIGKILL)
            time.sleep(600)
"""
SSH = """#!/bin/bash
while [[ $1 == -* ]]; do shift 2; done
cd /; shift; export SSH_CONNECTION="127.0.0.1 5000 127.0.0.2 22"; exec bash -c "$*"
"""


def store(folder: Path) -> list[str]:
    return [f"store.root={folder / 'store'}", f"store.results={folder / 'results'}"]


@pytest.fixture(scope="module")
def common(tiny_model: Path, tiny_data: Path, tiny_conf: list[str]) -> list[str]:
    return [*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}", *FEW]


@pytest.fixture(scope="module")
def alone(common: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run with two ranks of this machine."""
    folder = tmp_path_factory.mktemp("alone")
    done = harness(*common, *store(folder), "engine.ranks=2")
    assert done.returncode == 0, done.stderr
    return folder / "store"


def differences(expected: Path, store: Path) -> list[float]:
    """The largest difference of each stage's weights that a store has."""
    found = []
    for file in sorted(store.glob("train/*/model.safetensors")):
        here, there = load_file(file), load_file(expected / file.relative_to(store))
        assert here.keys() == there.keys()
        found.append(max((here[name] - there[name]).abs().max().item() for name in here))
    return found


@pytest.fixture
def hostfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """This machine and itself under another name, which an ssh of ours reaches."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "ssh"
    script.write_text(SSH)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    file = tmp_path / "hosts"
    file.write_text("localhost slots=1\n127.0.0.2 slots=1\n")
    return f"engine.hostfile={file}"


def test_hosts_over_ssh_train_the_same_weights(
    common: list[str], alone: Path, hostfile: str, tmp_path: Path
) -> None:
    done = harness(*common, *store(tmp_path), FIRST, hostfile)
    assert done.returncode == 0, done.stderr
    assert differences(alone, tmp_path / "store") == [0.0]


def test_a_rank_that_raises_elsewhere_is_heard(
    common: list[str], hostfile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 0 waits for it in a collective, for at most four hours by the configuration."""
    (tmp_path / "unwell.py").write_text(UNWELL)
    more = ["+method.unwell._target_=unwell.Unwell", "code.allow=[unwell]", hostfile]
    done = harness(*common, *store(tmp_path), *more, cwd=tmp_path)
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert "train copy: ValueError: rank 1 is unwell (log: " in error
    assert error.endswith("rank1.log)")


def test_a_machine_that_was_cut_off_is_reached_again(
    common: list[str], hostfile: str, tmp_path: Path
) -> None:
    (tmp_path / "cut_off.py").write_text(CUT_OFF)
    more = ["+method.cut_off._target_=cut_off.CutOff", "code.allow=[cut_off]", FIRST, hostfile]
    done = harness(*common, *store(tmp_path), *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cut_off").exists()
    assert "; launched again from its beginning, 1 of 2 times (run.retries)" in done.stderr


@pytest.mark.slow
def test_four_ranks_on_two_machines_equal_two_on_one(
    common: list[str], alone: Path, tmp_path: Path
) -> None:
    """torchrun on both, as a user types it."""
    with two_machines() as machines:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2"]
        torchrun += ["--nproc-per-node=2", "--master-port=29555"]
        torchrun += [f"--master-addr={machines[0].address}"]
        words = ["-m", "harness", *common, *store(tmp_path)]
        parents = [
            machine.start(*torchrun, f"--node-rank={node}", *words, PYTHONPATH=str(REPOSITORY))
            for node, machine in enumerate(machines)
        ]
        told = [parent.communicate(timeout=600)[0] for parent in parents]
    assert [parent.returncode for parent in parents] == [0, 0], told
    assert "trained 2 stages" in told[0]
    first, second = differences(alone, tmp_path / "store")
    assert max(first, second) < 2e-5


@pytest.mark.slow
def test_two_machines_share_a_store(common: list[str], tmp_path: Path) -> None:
    """Their process numbers are the same ones and neither sees the other's; on a file system on
    which flock fails, or where none can be mounted on a disk."""
    locks = not can_be_without_locks()
    shared = nullcontext(tmp_path) if locks else without_locks(tmp_path)
    with shared as place, two_machines() as machines:
        words = [sys.executable, "-m", "harness", *common, *store(place)]
        parents = [m.start(*words, PYTHONPATH=str(REPOSITORY)) for m in machines]
        told = [parent.communicate(timeout=600)[0] for parent in parents]
    assert [parent.returncode for parent in parents] == [0, 0], told
    trained = [int(text.split("trained ")[1].split()[0]) for text in told]
    assert sum(trained) == 2
    root = (tmp_path if locks else tmp_path / "real") / "store"
    assert not list((root / "leases").iterdir())
    assert not list((root / "locks").iterdir())


@pytest.mark.slow
def test_srun_starts_the_ranks(common: list[str], alone: Path, tmp_path: Path) -> None:
    """Two processes with the variables that srun sets, of a step on this machine."""
    parents = [
        subprocess.Popen(
            [sys.executable, "-m", "harness", *common, *store(tmp_path), FIRST],
            env=environment(
                SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), SLURM_STEP_NUM_TASKS="2",
                SLURM_STEP_TASKS_PER_NODE="2", SLURM_STEP_NODELIST="localhost",
                SLURM_JOB_ID=str(os.getpid()), SLURM_CPUS_PER_TASK="1",
            ),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    told = [parent.communicate(timeout=600)[0] for parent in parents]
    assert [parent.returncode for parent in parents] == [0, 0], told
    assert told[1] == ""
    assert differences(alone, tmp_path / "store") == [0.0]


@pytest.mark.slow
def test_jobs_of_a_sweep_through_submitit(common: list[str], tmp_path: Path) -> None:
    """The local executor, in whose processes the jobs really run."""
    pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
    launcher = ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10"]
    done: Done = in_a_process(
        "-m", *common, *store(tmp_path), FIRST, "seed=0,1", "train.max_steps=1", *launcher
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 jobs complete" in done.stdout
    assert len(list((tmp_path / "store").glob("train/*/manifest.json"))) == 2


@pytest.mark.slow
def test_a_job_of_a_sweep_over_the_tasks_of_a_slurm_job(
    common: list[str], alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hydra's launcher for SLURM, whose commands a stand-in takes, starts one process per rank."""
    pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
    for name, value in slurm(tmp_path / "slurm").items():
        monkeypatch.setenv(name, value)
    keys = ["nodes=2", "tasks_per_node=1", "gpus_per_node=null", "cpus_per_task=1"]
    launcher = ["hydra/launcher=slurm_nodes", *(f"hydra.launcher.{key}" for key in keys)]
    words = [*common, *store(tmp_path), FIRST, "seed=0", "engine.ranks=2"]
    done = in_a_process("-m", *words, *launcher)
    logs = "".join(path.read_text() for path in tmp_path.glob("slurm/task*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert "#SBATCH --nodes=2\n" in (tmp_path / "slurm" / "asked").read_text()
    assert logs.count("trained 1 stages") == 1
    assert differences(alone, tmp_path / "store") == [0.0]


def test_what_slurm_refuses_is_one_line(
    common: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login node: no GPU, and an sbatch that knows no such partition."""
    pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
    for name in ("srun", "sbatch"):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition: no' >&2; exit 1\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    gpus = ["engine.device=cuda", "engine.ranks=8", "hydra/launcher=slurm"]
    done = harness("-m", *common, *store(tmp_path), "seed=0,1", *gpus)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("error: invalid partition: no")
    assert "Traceback" not in done.stderr
