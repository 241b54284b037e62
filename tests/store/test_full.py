"""A disk that is full takes nothing half-written, and nobody dies of what is not needed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.small_disk import fill, small_disk

from harness.errors import DataError, is_full
from harness.run.disk import NoRoom, told_if_full
from harness.run.events import Event, EventLog, EventReader, event_path
from harness.run.launch.failure import failure_of, note_failure
from harness.run.lenient import Lenient
from harness.store.files import write_json
from harness.store.store import Store

MUCH = b"0" * 3_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 4) as place:
        yield place


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_node_that_does_not_fit_is_not_there(disk: Path) -> None:
    """Nor any part of it; one line says so, and what would free how much."""
    store = Store(disk / "store")
    with store.writing("train", "unused", {}) as folder:
        (folder / "some").write_bytes(MUCH)
    with (
        pytest.raises(NoRoom) as failed,
        told_if_full(store, None),
        store.writing("train", "k", {}) as folder,
    ):
        (folder / "file").write_bytes(MUCH)
    told = str(failed.value)
    assert "\n" not in told
    assert "No space left on device" in told
    assert f"clean --keep ends --unused --store {store.root}` would free 3.0 MB (unused" in told
    assert "the same command goes on once there is room" in told
    assert names(store.root / "train") == ["unused"]
    store.remove("train", "unused", "0123456789abcdef")
    with store.writing("train", "k", {}) as folder:
        (folder / "file").write_bytes(MUCH)
    assert store.done("train", "k")


def test_other_errors_stay_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^mine$"), told_if_full(Store(tmp_path), None):
        raise DataError("mine")


def test_a_file_that_does_not_fit_leaves_what_was_there(disk: Path) -> None:
    path = write_json(disk / "table.json", ["before"])
    filler = fill(disk)
    with pytest.raises(DataError, match=r"table.json: cannot be written: No space") as failed:
        write_json(path, ["after"] * 100)
    assert is_full(failed.value)
    assert names(disk) == ["filler", "table.json"]
    filler.unlink()
    assert path.read_text().split() == ["[", '"before"', "]"]


def test_what_goes_unsaid_stops_nobody(disk: Path) -> None:
    """Events on a full disk are lost, in their middle as well; those after it are heard."""
    log, reader = EventLog(event_path(disk, 0)), EventReader(disk, 1)
    log.say(Event("k", 0.1))
    filler = fill(disk)
    for step in range(200):  # across the end of the page that the file has
        log.say(Event("k" * 100, step / 200))
    filler.unlink()
    log.say(Event("k", 0.9))
    log.say(Event("k", 1.0))
    heard = [event.done for event in reader.new()]
    assert heard[0] == 0.1
    assert heard[-2:] == [0.9, 1.0]
    assert len(heard) < 200


def test_a_rank_says_why_it_ends_without_a_file(disk: Path) -> None:
    fill(disk)
    full = OSError(28, "No space left on device")
    code = note_failure(disk, 0, full)
    assert "No space left on device" in failure_of(disk, 0, code).line
    assert note_failure(disk, 1, ValueError("other")) == 1


def test_a_log_on_a_full_disk_loses_words(disk: Path) -> None:
    with (disk / "rank0.log").open("w", buffering=1) as file:
        fill(disk)
        log = Lenient(file)
        for _ in range(2000):
            print("something", file=log)
        log.flush()
        assert log.fileno() == file.fileno()
        (disk / "filler").unlink()
