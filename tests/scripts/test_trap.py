"""A process of the harness is met where it is to be killed: real processes that do what a rank
does, and are killed there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from soaking import same
from soaking.command import TRACER
from soaking.control import Control, Stopped
from soaking.places import Place
from soaking.trap import CONTROL
from support.places import REPOSITORY

KEY = "0123456789abcdef0123"

# A node with two files, of which one has to be hashed; a checkpoint; a chunk of answers; the table.
WORKER = f"""
import sys
from pathlib import Path
from harness.store.claims import Claims
from harness.store.files import write_atomically
from harness.store.store import Store
store, key = Store(sys.argv[1]), "{KEY}"
with store.locks([("train", key)]) as held:
    kept = store.kept("train", key, held.token)
    for step in (2, 4):
        with kept.writing(step, {{"format": 1}}) as folder:
            (folder / "stage.json").write_text("{{}}")
    claims = Claims(store.claims_path(key, held.token), "rank0")
    claims.take(f"{{key}}.ready")
    claims.take(f"{{key}}.00000")
    write_atomically(store.partial_path("eval", key) / "answers-00000.json", "[]")
    with store.writing("train", key, {{}}, held.token) as folder:
        (folder / "training.json").write_text("{{}}")
write_atomically(Path(sys.argv[1]) / "scores.csv", "run")
"""


def worker(store: Path, control: Control) -> "subprocess.Popen[str]":
    paths = (str(TRACER), str(REPOSITORY), str(REPOSITORY / "scripts"))
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(store)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), CONTROL: str(control.folder)},
        stderr=subprocess.PIPE,
        text=True,
    )


def met(control: Control, number: int, process: "subprocess.Popen[str]") -> Stopped | None:
    """Who waits, unless the process ends before."""
    while process.poll() is None:
        if stopped := control.stopped(number):
            return stopped
        time.sleep(0.01)
    return control.stopped(number)


@pytest.mark.parametrize(
    ("place", "nth", "there", "missing"),
    [
        (Place.checkpoint, 1, "partial/train/*/.step-2.*", "partial/train/*/.step-2.*/stage.json"),
        (Place.checkpoint, 3, "partial/train/*/step-2", "partial/train/*/.step-4.*/stage.json"),
        (Place.hashing, 1, "partial/train/*/.step-2.*/stage.json", "partial/train/*/step-2"),
        (Place.rename, 1, "partial/train/*/.step-2.*/manifest.json", "partial/train/*/step-2"),
        (Place.rename, 2, "partial/train/*/step-2", "partial/train/*/.step-4.*"),
        (Place.rename, 5, "train/.*/manifest.json", f"train/{KEY}"),
        (Place.rename, 6, f"train/{KEY}/manifest.json", "train/.*"),
        (Place.scoring, 1, "partial/.*/*.ready", "partial/.*/*.00000"),
        (Place.scoring, 2, "partial/.*/*.00000", "partial/eval/*/answers-*"),
        (Place.table, 1, f"train/{KEY}", "*scores.csv*"),
        (Place.table, 2, ".scores.csv.*.tmp", "scores.csv"),
    ],
)
def test_a_process_is_killed_at_a_place(
    place: Place, nth: int, there: str, missing: str, tmp_path: Path
) -> None:
    """What is on the disk then says where it was."""
    store, control = tmp_path / "store", Control(tmp_path / "control")
    number = control.ask(place, nth)
    with worker(store, control) as process:
        stopped = met(control, number, process)
        assert stopped is not None, process.communicate()[1]
        assert stopped.pid == process.pid
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert list(store.glob(there))
    assert not list(store.glob(missing))


def test_a_question_that_is_withdrawn_lets_the_process_go_on(tmp_path: Path) -> None:
    """Then it ends as if nobody had asked, and what it did is noted."""
    store, control = tmp_path / "store", Control(tmp_path / "control")
    number = control.ask(Place.hashing, 1)
    with worker(store, control) as process:
        assert met(control, number, process) is not None
        control.withdraw(number)
        assert process.wait(60) == 0
    assert (store / "train" / KEY / "manifest.json").is_file()
    assert control.notes() == [f"chunk {KEY}.00000", f"node train/{KEY}"]
    assert Control(control.folder).ask(Place.table, 1) == number + 1


def test_what_differs_is_told(tmp_path: Path) -> None:
    """Two stores of the same work; then a bit of one file, a node more, a lock that is left."""
    for name in ("whole", "disturbed"):
        with worker(tmp_path / name / "store", Control(tmp_path / name / "control")) as process:
            assert process.wait(60) == 0
        remove_kept(tmp_path / name / "store")
    whole, disturbed = tmp_path / "whole", tmp_path / "disturbed"
    assert same.differences(whole, disturbed) == []
    assert same.compared(disturbed / "store") == 1
    node = disturbed / "store" / "train" / KEY
    (node / "training.json").write_text('{"cost": 1}')
    (node.parent / ("f" * 20)).mkdir()
    (node.parent / ("f" * 20) / "manifest.json").write_text('{"files": {}}')
    (disturbed / "store" / "locks" / "train-x").mkdir(parents=True)
    assert same.differences(whole, disturbed) == [
        f"train/{'f' * 20}: only in the disturbed store",
        f"train/{KEY}/training.json: not what its manifest says",
        "locks/train-x: left behind",
    ]


def remove_kept(store: Path) -> None:
    """What the worker does not clear away, as a rank would."""
    for path in sorted((store / "partial").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
