"""Nodes appear whole or not at all; damage, leftovers and locks are seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import REPOSITORY

from harness.errors import ConfigError
from harness.store import Store, require_writable


def write_node(store: Store, key: str = "k") -> None:
    with store.writing("train", key, {"label": "x"}, os.getpid()) as folder:
        (folder / "a.txt").write_text("hello")


def test_a_node_is_done_when_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.done("train", "k")
    write_node(store)
    assert store.done("train", "k")
    manifest = store.manifest("train", "k")
    assert manifest["files"]["a.txt"].startswith("2cf24dba")  # sha256 of "hello"
    assert manifest["label"] == "x"


def test_an_error_inside_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail() -> None:
        with store.writing("train", "k", {}, os.getpid()) as folder:
            (folder / "a.txt").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not store.done("train", "k")
    assert list((tmp_path / "train").iterdir()) == []


@pytest.mark.parametrize("damage", ["change", "remove", "manifest"])
def test_damage_is_seen_by_a_new_process(damage: str, tmp_path: Path) -> None:
    write_node(Store(tmp_path))
    file = tmp_path / "train" / "k" / "a.txt"
    if damage == "change":
        file.write_text("hellO")
    elif damage == "remove":
        file.unlink()
    else:
        file.with_name("manifest.json").write_text('{"files": ')
    store = Store(tmp_path)
    assert not store.done("train", "k")
    write_node(store)
    assert store.done("train", "k")


def test_locks_exclude_other_processes_and_die_with_them(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom harness.store import Store\n"
            f"with Store({str(tmp_path)!r}).locks([('train', 'k')]) as held:\n"
            "    print(held, flush=True)\n    sys.stdin.read()",
        ],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert "('train', 'k')" in holder.stdout.readline()
    store = Store(tmp_path)
    with store.locks([("train", "k"), ("train", "other")]) as held:
        assert held == [("train", "other")]
    assert store.holder("train", "k") == f"process {holder.pid}"
    holder.kill()
    holder.wait()
    with store.locks([("train", "k")]) as held:
        assert held == [("train", "k")]


def test_leftovers_of_dead_processes_go_and_of_living_ones_stay(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for pid in (dead.pid, os.getpid()):
        (tmp_path / "train" / f".k.{pid}").mkdir(parents=True)
    Store(tmp_path).sweep_leftovers()
    assert [path.name for path in (tmp_path / "train").iterdir()] == [f".k.{os.getpid()}"]


def test_hashes_are_remembered_by_size_and_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    file = tmp_path / "data.json"
    file.write_text("one")
    first = store.hashes.file(file)
    store.hashes.save()
    cache = json.loads((tmp_path / "store" / "cache" / "hashes.json").read_text())
    assert first in cache.values()
    file.write_text("other")
    assert store.hashes.file(file) != first


def test_writability_is_proved(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"store.root: .* cannot be written"):
        require_writable(tmp_path / "file" / "below", "store.root")
