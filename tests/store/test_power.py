"""Power that is lost at any moment takes no finished node, and leaves none that is not whole."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from support.power import Disk, Tree, restore

from harness.errors import DataError
from harness.run.retention import drop_all
from harness.store.store import Store

FILES = {"scores.txt": b"0.5", "below/more.txt": b"more", "model.safetensors": b""}
FILES["model.safetensors"] = save({"w": np.arange(4, dtype=np.float32)})


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    (tmp_path / "store").mkdir()
    made = Disk(tmp_path / "store")
    yield made
    made.close()


def write_node(store: Store, key: str = "k") -> None:
    with store.writing("train", key, {}) as folder:
        for name, content in FILES.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)


def stores(disk: Disk, trees: list[Tree], tmp_path: Path) -> Iterator[Store]:
    for number, tree in enumerate(trees):
        yield Store(restore(tree, tmp_path / "after" / str(number)))


def whole(store: Store) -> bool:
    """Is a node that counts as done what was written, by its bytes?"""
    folder = store.path("train", "k")
    there = {name: folder / name for name in FILES}
    return all(there[name].read_bytes() == content for name, content in FILES.items())


def test_a_node_that_counts_is_whole_and_stays(disk: Disk, tmp_path: Path) -> None:
    """At every moment of its writing, and for good once that is over."""
    with pytest.MonkeyPatch.context() as patch:
        disk.record(patch)
        write_node(Store(disk.root))
        under_way, disk.cuts = disk.cuts, []
        disk.cut()
    done = [store.done("train", "k") for store in stores(disk, disk.cuts, tmp_path / "last")]
    assert done == [True] * len(done)
    seen = set()
    for store in stores(disk, under_way, tmp_path):
        seen.add(store.done("train", "k"))
        assert not store.done("train", "k") or whole(store)
    assert seen == {True, False}


def test_a_node_that_takes_the_place_of_a_damaged_one(disk: Disk, tmp_path: Path) -> None:
    write_node(Store(disk.root))
    (disk.root / "train" / "k" / "scores.txt").write_bytes(b"0.")
    with pytest.MonkeyPatch.context() as patch:
        disk.record(patch)
        write_node(Store(disk.root))
        under_way, disk.cuts = disk.cuts, []
        disk.cut()
    assert all(store.done("train", "k") for store in stores(disk, disk.cuts, tmp_path / "last"))
    for store in stores(disk, under_way, tmp_path):
        assert not store.done("train", "k") or whole(store)


def test_weights_go_and_the_node_stays(disk: Disk, tmp_path: Path) -> None:
    """It is known to lack them, or has them."""
    write_node(Store(disk.root))
    with pytest.MonkeyPatch.context() as patch:
        disk.record(patch)
        assert drop_all(Store(disk.root), [("train", "k")], None) == [("train", "k")]
    states = set()
    for store in stores(disk, disk.cuts, tmp_path):
        assert store.done("train", "k")
        states.add(store.whole("train", "k"))
        assert not store.whole("train", "k") or whole(store)
    assert states == {True, False}


def test_one_checkpoint_can_be_read_at_any_moment(disk: Disk, tmp_path: Path) -> None:
    store = Store(disk.root)
    with store.leases.taken() as token, pytest.MonkeyPatch.context() as patch:
        kept = store.kept("train", "k", token)
        for step in (2, 4):
            if step == 4:
                disk.record(patch)
            with kept.writing(step, {"format": 1}) as folder:
                (folder / "engine").write_bytes(b"weights" * step)
    first = set()
    for after in stores(disk, disk.cuts, tmp_path):
        with after.leases.taken() as token:
            kept = after.kept("train", "k", token)
            good = [step for step in kept.numbers() if reads(after, token, step)]
        assert good
        first.add(good[0])
    assert first == {2, 4}


def reads(store: Store, token: str, step: int) -> bool:
    kept = store.kept("train", "k", token)
    try:
        kept.verify(step)
    except DataError:
        return False
    return (kept.path(step) / "engine").read_bytes() == b"weights" * step


def test_the_record_itself_loses_what_was_not_synced(disk: Disk, tmp_path: Path) -> None:
    """A write as it was never to be: renamed at once, its bytes and its name not synced."""
    with pytest.MonkeyPatch.context() as patch:
        disk.record(patch)
        beside = disk.root / "beside"
        beside.write_text(json.dumps("all of it"))
        beside.rename(disk.root / "file")
    held = [tree.get("file", (b"none", 0))[0] for tree in disk.cuts]
    assert set(held) == {b"none", bytes(11), b'"all of it"'}
