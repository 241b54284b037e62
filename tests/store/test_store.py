"""Nodes appear whole or not at all; damage is seen."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigError
from harness.models.weights.tensor_file import spec_of, write_tensors
from harness.store.folders import require_writable
from harness.store.keys import KEY_SCHEME
from harness.store.store import Store


def write_node(store: Store, key: str = "k") -> None:
    with store.writing("train", key, {"label": "x"}) as folder:
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
        with store.writing("train", "k", {}) as folder:
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


def test_weights_are_hashed_while_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No weights file is read for its hash, by the writer or by who asks whether it is done; one
    that was written to afterwards is."""
    import torch

    read: list[str] = []
    plain = hashlib.file_digest

    def counted(stream: Any, kind: str) -> Any:
        read.append(Path(stream.name).name)
        return plain(stream, kind)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    tensors = {f"w{n}": torch.rand(300, 1000 + n) for n in range(4)}
    tensors["few"] = torch.arange(5)
    specs = {name: spec_of(value) for name, value in tensors.items()}
    with Store(tmp_path).writing("train", "k", {}) as folder:
        for name in ("model", "strategy_0", "changed"):
            pieces = lambda key: iter(tensors[key].reshape(-1).split(7777))  # noqa: E731
            give = pieces if name == "strategy_0" else tensors.__getitem__
            write_tensors(folder / f"{name}.safetensors", specs, give)
        with (folder / "changed.safetensors").open("ab") as stream:
            stream.write(b"more")
        (folder / "log.json").write_text("{}")
        (folder / "engine").mkdir()
        (folder / "engine" / "moments.pt").write_text("belongs to no node")
    store = Store(tmp_path)
    assert store.done("train", "k")
    assert sorted(read) == ["changed.safetensors", "log.json"]
    listed = store.manifest("train", "k")["files"]
    assert set(listed) == {"model.safetensors", "strategy_0.safetensors", *read}
    told = subprocess.run(
        ["sha256sum", *listed], cwd=store.path("train", "k"), capture_output=True, check=True
    ).stdout.decode()
    assert {line.split()[1]: line.split()[0] for line in told.splitlines()} == listed


def test_writability_is_proved(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"store.root: .* cannot be written"):
        require_writable(tmp_path / "file" / "below", "store.root")


def test_nodes_of_version_0_1_are_told(tmp_path: Path) -> None:
    """They stay and are not used; imported cells, whose keys are as they were, are not meant."""
    store = Store(tmp_path / "old")
    for kind, key, version, model in (
        ("train", "a", "0.1.0", "hub"),
        ("eval", "b", "0.1.0", "train"),
        ("eval", "c", "0.1.0", "imported"),
        ("eval", "d", "0.2.0", "train"),
    ):
        with store.writing(kind, key, {"model": {"kind": model}}) as folder:
            (folder / "file").write_text("x")
        path = store.path(kind, key) / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"harness_version": version}))
    line = store.of_before()
    assert "2 nodes are of version 0.1" in line
    assert "none is used again" in line
    assert "\n" not in line
    assert line == Store(tmp_path / "old").of_before()
    listed = json.loads((tmp_path / "old" / "format.json").read_text())["version_0.1"]
    assert listed == ["eval/b", "train/a"]
    for name in listed:
        shutil.rmtree(tmp_path / "old" / name)
    assert store.of_before() == ""


@pytest.mark.parametrize("damage", ["", "[]", "{}", "null", '"x"'])
def test_damaged_json_is_no_node_and_no_format(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    write_node(store)
    (tmp_path / "train" / "k" / "manifest.json").write_text(damage)
    (tmp_path / "format.json").write_text(damage)
    assert not store.done("train", "k")
    assert store.of_before() == ""
    assert json.loads((tmp_path / "format.json").read_text())["key_scheme"] == KEY_SCHEME


def test_a_new_store_says_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    assert store.of_before() == ""
    assert json.loads((tmp_path / "new" / "format.json").read_text())["key_scheme"] == KEY_SCHEME
