"""Two machines share a store and a sweep, and one of them is cut off in the middle: the other one
takes over what it worked on, and all is as if nothing had been. Machines are namespaces."""

import signal
import sys
import time
from pathlib import Path

import pytest
from soaking.processes import below, send
from soaking.same import differences
from soaking.watching import training
from support.command import harness
from support.machines import two_machines
from support.places import REPOSITORY

pytestmark = [pytest.mark.distributed, pytest.mark.slow]
SILENCE = "store.silence_minutes=0.5"


@pytest.fixture(scope="module")
def words(tiny_model: Path, tiny_data: Path, tiny_conf: list[str]) -> list[str]:
    own = [f"model.path={tiny_model}", f"data.root={tiny_data}", "engine.ranks=2"]
    own += ["engine.threads=1", "train.epochs=20", "train.checkpoint_steps=20"]
    return ["-m", *tiny_conf, *own, "method=seqft,ewc"]


def placed(folder: Path) -> list[str]:
    return [f"store.root={folder / 'store'}", f"store.results={folder / 'results'}"]


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    done = harness(*words, *placed(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("way", ["killed", "frozen"])
def test_the_other_machine_takes_over(
    words: list[str], whole: Path, tmp_path: Path, way: str
) -> None:
    """One that was only frozen wakes up when all is done, and publishes nothing more."""
    asked = [sys.executable, "-m", "harness", *words, *placed(tmp_path), SILENCE]
    path = {"PYTHONPATH": str(REPOSITORY)}
    with two_machines() as (lost, other):
        first = lost.start(*asked, **path)
        while training(tmp_path / "store") is None:
            assert first.poll() is None, first.communicate()[0]
            time.sleep(0.01)
        pids = below(first.pid)
        send(pids, signal.SIGSTOP if way == "frozen" else signal.SIGKILL)
        second = other.start(*asked, **path)
        told = second.communicate(timeout=400)[0]
        assert second.returncode == 0, told
        if way == "frozen":
            before = nodes(tmp_path)
            send(pids, signal.SIGCONT)
            while first.poll() is None:
                send([first.pid], signal.SIGCONT)  # nsenter stops once more when it sees its child
                time.sleep(0.2)
            logs = [path.read_text() for path in (tmp_path / "store").glob("logs/*/rank0.log")]
            assert any("gave no sign of life" in log for log in logs)
            assert first.returncode == 0  # all that it was to do is there
            last = other.start(*asked, **path)  # which clears up what it had begun
            assert "2 of 2 jobs complete" in last.communicate(timeout=400)[0]
            assert nodes(tmp_path) == before
    assert differences(whole, tmp_path) == []


def nodes(folder: Path) -> dict[str, int]:
    """When every file of every node was written."""
    found = [*(folder / "store").glob("train/*/*"), *(folder / "store").glob("eval/*/*")]
    return {str(path): path.stat().st_mtime_ns for path in found}
