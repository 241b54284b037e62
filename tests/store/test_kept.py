"""What is kept of work that runs: whole or not at all, and never trusted where it is damaged."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from harness.errors import DataError, StageFailed
from harness.store.abandoned import DAY, sweep_abandoned
from harness.store.kept import Kept
from harness.store.store import Store


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    store = Store(tmp_path)
    with store.leases.taken() as token:
        yield store.kept("train", "k", token)


def write(kept: Kept, number: int, text: str = "weights") -> None:
    with kept.writing(number, {"format": 1}) as folder:
        (folder / "some").write_text(text)


def test_one_is_there_and_it_is_the_latest(kept: Kept) -> None:
    assert kept.numbers() == []
    for number in (2, 10):
        write(kept, number, f"of {number}")
        assert kept.numbers() == [number]
    assert kept.read(10)["format"] == 1
    kept.verify(10)
    assert (kept.path(10) / "some").read_text() == "of 10"
    kept.remove()
    assert kept.numbers() == []


def test_what_breaks_off_leaves_the_one_before(kept: Kept) -> None:
    write(kept, 2)
    with pytest.raises(KeyboardInterrupt), kept.writing(3, {}):
        raise KeyboardInterrupt
    assert kept.numbers() == [2]
    with pytest.raises(DataError, match="cannot be written"), kept.writing(3, {}):
        raise OSError(28, "No space left on device")
    assert kept.numbers() == [2]
    kept.verify(2)


def test_who_has_lost_its_lease_keeps_nothing(tmp_path: Path) -> None:
    kept = Store(tmp_path).kept("train", "k", "0123456789abcdef")
    with pytest.raises(StageFailed, match="its work was given to another one"):
        write(kept, 2)
    assert kept.numbers() == []


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("some", "weight", "some is not what was written"),
        ("some", None, "some cannot be read"),
        ("manifest.json", '{"files": {"so', "its manifest.json cannot be read"),
        ("manifest.json", "[]", "its manifest.json cannot be read"),
        ("manifest.json", None, "its manifest.json cannot be read"),
    ],
)
def test_damage_is_seen(kept: Kept, file: str, content: str | None, told: str) -> None:
    write(kept, 2)
    path = kept.path(2) / file
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataError, match=told):
        kept.verify(2)


def test_what_a_killed_process_began_is_swept(kept: Kept, tmp_path: Path) -> None:
    write(kept, 2)
    begun = kept.folder / ".step-4.0123456789abcdef"
    begun.mkdir()
    Store(tmp_path).sweep_leftovers()
    assert not begun.exists()
    assert kept.numbers() == [2]


def test_what_nobody_goes_on_with_is_swept(kept: Kept, tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(kept, 2)
    size = sum(path.stat().st_size for path in kept.path(2).iterdir())
    assert sweep_abandoned(store, 30).works == 0
    swept = sweep_abandoned(store, 0.01 / DAY, [("train", "k")])
    assert swept.works == 0  # a run of now wants it
    with store.writing("train", "k", {}):
        pass
    swept = sweep_abandoned(store, None)
    assert (swept.works, swept.bytes >= size) == (1, True)
    assert not kept.folder.exists()


def test_a_stage_that_is_trained_again_keeps_its_checkpoint(kept: Kept, tmp_path: Path) -> None:
    """It was done and its weights were dropped; a later suite needs them."""
    store = Store(tmp_path)
    with store.writing("train", "k", {}) as folder:
        (folder / "model.safetensors").write_text("weights")
    (store.path("train", "k") / "dropped.json").write_text('{"model.safetensors": 7}')
    (store.path("train", "k") / "model.safetensors").unlink()
    assert store.done("train", "k")
    write(kept, 2)
    assert sweep_abandoned(store, 0.01 / DAY, [("train", "k")]).works == 0
    assert sweep_abandoned(store, 30).works == 0  # nobody of now wants it; it is young
    assert kept.numbers() == [2]


def test_what_another_command_removes_meanwhile_is_skipped(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "leases").mkdir()
    over = list[bool]()

    def come_and_go() -> None:
        while not over:
            inner = tmp_path / "partial" / "train" / "k" / "step-2"
            inner.mkdir(parents=True)
            (inner / "some").touch()
            shutil.rmtree(tmp_path / "partial" / "train")

    other = Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(300):
            store.sweep_leftovers()
            sweep_abandoned(store, 30, dry_run=True)
    finally:
        over.append(True)
        other.join()
