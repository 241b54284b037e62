"""When a checkpoint is written, what goes on behind the steps, and which one is never taken up."""

import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from harness.errors import DataError, StageFailed
from harness.store.kept import Kept
from harness.store.leases import Leases
from harness.store.listener import SILENT, Notice
from harness.train.behind import Behind
from harness.train.checkpoint import FORMAT, GIVE_UP, GO_ON, KEEP, LEAVE, Checkpoints, Keeping
from harness.train.cost import CostMeter
from harness.train.engine.ranks import Rank


def checkpoints(
    place: Path, steps: int | None, minutes: float | None, rank: int = 0
) -> Checkpoints:
    train = SimpleNamespace(checkpoint_steps=steps, checkpoint_minutes=minutes)
    training = SimpleNamespace(
        engine=SimpleNamespace(rank=Rank(rank, 2, "cpu")),
        job=SimpleNamespace(config=SimpleNamespace(train=train)),
        stage=SimpleNamespace(total=5),
    )
    kept = Kept(place, Leases(place), "0123456789abcdef")
    return Checkpoints(training, Keeping(kept), CostMeter("cpu"), SILENT.tell)


@pytest.mark.parametrize(
    ("minutes", "ago", "cost", "decided"),
    [
        (10.0, 590, 0.0, GO_ON),
        (10.0, 610, 0.0, KEEP),
        (10.0, 610, 17.0, KEEP),  # 3% of 610 s are 18.3 s
        (10.0, 610, 20.0, GO_ON),
        (10.0, 700, 20.0, KEEP),
        (None, 9999, 0.0, GO_ON),
    ],
)
def test_by_minutes_and_at_most_a_share_of_the_time(
    tmp_path: Path, minutes: float | None, ago: float, cost: float, decided: int
) -> None:
    some = checkpoints(tmp_path, None, minutes)
    some.last_time, some.cost = time.monotonic() - ago, cost
    assert some._decide(3) == decided


def test_by_steps_whatever_they_cost(tmp_path: Path) -> None:
    some = checkpoints(tmp_path, 3, 10)
    some.begun, some.cost = 4, 1000.0
    assert [some._decide(done) for done in (5, 6, 7, 8)] == [GO_ON, GO_ON, KEEP, KEEP]


def test_the_first_rank_has_the_clock_and_any_may_be_asked_to_leave(tmp_path: Path) -> None:
    other = checkpoints(tmp_path, 1, 10, rank=1)
    assert other._decide(3) == GO_ON
    other._leaving.asked = True
    assert other._decide(3) == LEAVE == max(GO_ON, KEEP, GIVE_UP, LEAVE)


def test_one_that_lists_no_files_is_not_taken_up(tmp_path: Path) -> None:
    some = checkpoints(tmp_path, 1, None)
    kept = some.keeping.kept
    kept.path(2).mkdir()
    (kept.path(2) / "manifest.json").write_text(f'{{"format": {FORMAT}, "files": {{}}}}')
    line = "engine.safetensors, running.json, stage.json: not listed in its manifest"
    with pytest.raises(DataError, match=line):
        some._read(kept, 2)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Checkpoints]]:
    """Of one rank whose checkpoints are a file, and whose notices are heard by a list."""
    leases = Leases(tmp_path)

    def made(sync: Callable[[Path], None], told: list[str], **when: float | None) -> Checkpoints:
        some = checkpoints(tmp_path, when.get("steps"), when.get("minutes"))
        some.keeping = Keeping(Kept(tmp_path / "kept", leases, token))
        some.rank = SimpleNamespace(first=True, largest=int, agree=bool)
        some.training.running, some.training.where = list, "stage 1, copy"
        some._fill = lambda folder, step, states: (folder / "some").write_text(str(step))

        def hear(notice: Notice) -> None:
            told.append(notice.line)

        some.tell = hear
        monkeypatch.setattr("harness.store.folders.sync_tree", sync)
        return some

    with leases.taken() as token:
        yield made


def test_steps_go_on_while_the_disk_works(alone: Callable[..., Checkpoints]) -> None:
    """The one before stays until the next is there, and a third is not begun meanwhile."""
    free, told = Event(), list[str]()
    free.set()
    some = alone(lambda folder: free.wait(60), told, steps=2)
    kept = some.keeping.kept
    with some.following(lambda done, total: None) as after:
        after(2, 9)
        some._behind.settle()
        assert kept.numbers() == [2]
        free.clear()
        after(4, 9)
        assert kept.numbers() == [2]
        assert some._behind.busy
        some.steps, some.minutes = None, 0.0
        after(5, 9)
        assert kept.numbers() == [2]
        free.set()
    assert kept.numbers() == [4]
    assert told == []
    assert [path.name for path in kept.folder.iterdir()] == ["step-4"]


def test_what_fails_behind_ends_them_and_the_latest_stays(
    alone: Callable[..., Checkpoints],
) -> None:
    full, told = Event(), list[str]()

    def sync(folder: Path) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")

    some = alone(sync, told, steps=2)
    kept = some.keeping.kept
    with some.following(lambda done, total: None) as after:
        after(2, 9)
        some._behind._thread.join()
        full.set()
        after(4, 9)
        some._behind._thread.join()
        after(5, 9)
        after(6, 9)
    assert kept.numbers() == [2]
    place = kept.path(4)
    assert told == [
        f"stage 1, copy: {place}: cannot be written: No space left on device; no more checkpoints "
        "of this stage: killed in it, a run goes on at step 2"
    ]


def test_who_leaves_waits_for_what_was_handed_over(alone: Callable[..., Checkpoints]) -> None:
    told = list[str]()
    some = alone(lambda folder: time.sleep(0.3), told, steps=9)
    with some.following(lambda done, total: None) as after:
        some._leaving.asked = True
        with pytest.raises(StageFailed, match="it was asked to end; step 3 of 9 is kept"):
            after(3, 9)
        assert some.keeping.kept.numbers() == [3]


def test_whatever_fails_behind_is_no_success() -> None:
    behind = Behind()
    behind.begin(lambda: 1 / 0)
    assert "ZeroDivisionError" in str(behind.settle())
    assert behind.settle() is None
