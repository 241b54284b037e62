"""Commands on a disk of a few megabytes: they stop before it is full, leave nothing half-written,
and go on once there is room."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import started, when
from support.small_disk import fill, small_disk

from harness.config.compose.compose import load
from harness.run.job import job_of
from harness.store.store import Store

pytestmark = pytest.mark.distributed
MEGABYTES = 64
ROOM = 17_000_000  # what every command wants to have free, and a little


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", MEGABYTES) as place:
        yield place


@pytest.fixture
def words(tiny_model: Path, tiny_data: Path, tiny_conf: list[str], disk: Path) -> list[str]:
    """One stage of several seconds and its scores, all on the small disk."""
    placed = [word for word in tiny_conf if not word.startswith("task=")]
    placed += [f"model.path={tiny_model}", f"data.root={tiny_data}", "task=[copy]"]
    placed += ["train.epochs=100", "eval.stage0=false", "eval.limit=1", "train.checkpoint_steps=50"]
    return [*placed, f"store.root={disk / 'store'}", f"store.results={disk / 'results'}"]


def errors(parent: "subprocess.Popen[str]") -> list[str]:
    """What a command that fails says of it; no traceback is among that."""
    told = parent.communicate(timeout=180)[1]
    assert parent.returncode == 1, told
    assert "Traceback" not in told
    return [line for line in told.splitlines() if line.startswith("error: ")]


def half_written(store: Path) -> list[Path]:
    """What lies where nodes do and is none."""
    nodes = [path for kind in ("train", "eval") for path in store.glob(f"{kind}/*")]
    return [path for path in nodes if not Store(store).done(path.parent.name, path.name)]


def test_a_full_disk_stops_a_run_which_goes_on_with_room(words: list[str], disk: Path) -> None:
    """It does not begin without room; it ends where others take the room that it needs, with what
    it has trained; with nothing left it ends as well; and ends up whole."""
    store = disk / "store"
    filler = fill(disk, ROOM - 2_000_000)
    [line] = errors(started(*words))
    assert f"error: store.root={store}: what is to do takes " in line
    assert "are free there; `python -m harness store clean --keep ends --unused" in line
    assert not list(store.glob("train/*"))
    filler.unlink()

    parent = started(*words)
    when(lambda: any(store.glob("partial/train/*/step-*")), parent)
    filler = fill(disk, ROOM - 2_000_000)
    [line] = errors(parent)
    assert f"error: store.root={store}: what runs has still to write " in line
    assert "the same command goes on once there is room" in line
    assert half_written(store) == []
    [step] = [int(path.name[5:]) for path in store.glob("partial/train/*/step-*")]
    filler.unlink()

    parent = started(*words)
    told = parent.communicate(timeout=300)[1]
    assert parent.returncode == 0, told
    assert f"goes on at step {step} of " in told
    job = job_of(load(words))
    assert all(job.store.done(node.kind, node.key) for node in job.plan.nodes)
    assert half_written(store) == []
    assert not list(store.glob("partial/train/*"))


def test_a_disk_that_takes_nothing_more(words: list[str], disk: Path) -> None:
    """All of a sudden, in the middle of a stage: one line, nothing half-written, nobody hangs."""
    store = disk / "store"
    parent = started(*words, "train.checkpoint_steps=1")
    when(lambda: any(store.glob("partial/train/*/step-*")), parent)
    filler = fill(disk)
    line, *_ = errors(parent)  # the table may not be written either
    assert f"store clean --keep ends --unused --store {store}` would free " in line
    assert half_written(store) == []
    filler.unlink()
    parent = started(*words)
    told = parent.communicate(timeout=300)[1]
    assert parent.returncode == 0, told
    assert half_written(store) == []
