"""A store that is somebody else's reads, writes and removes nothing outside itself."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import harness, only_error, refused

from harness.errors import ConfigError, DataError
from harness.results.records import read_record
from harness.store.inside import file_inside, is_name
from harness.store.kept import Kept
from harness.store.keys import FileHashes
from harness.store.store import Store

KEY = "0" * 20
SECRET = "a file of the user's\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the user's beside the store; every test leaves it as it was."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.json").write_text(SECRET)
    yield folder
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"secret.json": SECRET}


@pytest.fixture
def node(tmp_path: Path, outside: Path) -> Path:
    """The folder of a node in a store."""
    with Store(tmp_path / "store").writing("train", KEY, {}) as folder:
        (folder / "training.json").write_text("{}")
    return tmp_path / "store" / "train" / KEY


def listing(node: Path, name: str, file: Path) -> None:
    """Have a manifest list one file more, with its true hash."""
    manifest = json.loads((node / "manifest.json").read_text())
    manifest["files"][name] = FileHashes().file(file)
    (node / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "a/b", "/a", "a\\b", "a\0", None, 3])
def test_what_is_no_name(name: object) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("name", ["a", "train", "0" * 20, "a.b-c_d=e"])
def test_what_is_one(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "", "a\0b"])
def test_a_file_has_no_name_that_leads_out(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no file of"):
        file_inside(tmp_path, tmp_path / "node", name)


@pytest.mark.parametrize("name", ["../../../outside/secret.json", "/OUTSIDE/secret.json"])
def test_a_manifest_that_lists_a_file_elsewhere_is_that_of_a_broken_node(
    name: str, node: Path, outside: Path
) -> None:
    listing(node, name.replace("/OUTSIDE", str(outside)), outside / "secret.json")
    assert not Store(node.parents[1]).done("train", KEY)
    done = harness("store", "verify", f"--store={node.parents[1]}")
    assert done.returncode == 1
    assert "is no file of" in done.stdout + done.stderr


@pytest.mark.parametrize("file", [True, False])
def test_a_link_in_a_node_breaks_it_and_is_not_brought(
    file: bool, node: Path, outside: Path, tmp_path: Path
) -> None:
    link = node / ("weights.json" if file else "below")
    link.symlink_to(outside / "secret.json" if file else outside)
    listing(node, "weights.json" if file else "below/secret.json", outside / "secret.json")
    store = node.parents[1]
    assert not Store(store).done("train", KEY)
    done = harness("store", "verify", f"--store={store}")
    assert "is a link that leads out of" in done.stdout + done.stderr
    joined = harness("store", "move", str(tmp_path / "new"), "--from", str(store))
    assert joined.returncode == 0, joined.stderr
    assert ": 0 nodes came from" in joined.stdout
    assert "1 nodes there are broken" in joined.stdout
    assert not [path for path in (tmp_path / "new").rglob("*") if path.name == "secret.json"]


def test_an_unlisted_link_is_not_brought_either(node: Path, outside: Path, tmp_path: Path) -> None:
    (node / "engine").mkdir()
    (node / "engine" / "more.json").symlink_to(outside / "secret.json")
    assert Store(node.parents[1]).done("train", KEY)
    joined = harness("store", "move", str(tmp_path / "new"), "--from", str(node.parents[1]))
    assert "1 nodes there are broken" in joined.stdout
    assert not list((tmp_path / "new").rglob("more.json"))


@pytest.mark.parametrize(
    "place",
    [
        *("locks/train-1", "partial/train", "runs/x.json", "readers/x.json", "leases/x"),
        *("cache/judge.sqlite", "cache/models/a", "partial/train/1", "logs/a", "train/1"),
    ],
)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_link_within_its_parts_is_one_line(
    place: str, elsewhere: bool, outside: Path, tmp_path: Path
) -> None:
    """elsewhere: the part itself is on another disk."""
    store = tmp_path / "store"
    (store / "runs").mkdir(parents=True)
    link = store / place
    if elsewhere:
        part = Path(place).parts[0]
        (tmp_path / "disk" / part).mkdir(parents=True)
        if part == "runs":
            (store / part).rmdir()
        (store / part).symlink_to(tmp_path / "disk" / part)
    link.parent.mkdir(parents=True, exist_ok=True)
    leads = outside / "secret.json" if link.suffix else outside
    link.symlink_to(leads)
    told = only_error(harness("store", "clean", "--unused", f"--store={store}"))
    assert f"{place} is a link that leads out of the store" in told
    told = only_error(harness("store", "move", str(tmp_path / "new"), "--from", str(store)))
    assert f"{place} is a link that leads out of the store" in told


@pytest.mark.parametrize("part", ["train", "runs", "logs", "locks", "leases", "partial", "cache"])
def test_a_part_may_be_on_another_disk(part: str, node: Path, tmp_path: Path) -> None:
    store, disk = node.parents[1], tmp_path / "disk"
    disk.mkdir()
    (store / part).mkdir(exist_ok=True)
    (store / part).rename(disk / part)
    (store / part).symlink_to(disk / part)
    (store / "cache").mkdir(exist_ok=True)
    (disk / "models").mkdir()
    (store / "cache" / "models").symlink_to(disk / "models")
    assert Store(store).done("train", KEY)
    with Store(store).writing("train", "1" * 20, {}) as folder:
        (folder / "training.json").write_text("{}")
    assert Store(store).done("train", "1" * 20)
    checked = harness("store", "verify", f"--store={store}")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    joined = harness("store", "move", str(tmp_path / "new"), "--from", str(store))
    assert ": 2 nodes came from" in joined.stdout
    done = harness("store", "clean", "--unused", f"--store={store}")
    assert done.returncode == 0, done.stderr
    assert (store / part).is_symlink()


def test_a_node_on_another_disk_has_no_links_out_of_it(
    node: Path, outside: Path, tmp_path: Path
) -> None:
    kind = node.parent
    kind.rename(tmp_path / "disk")
    kind.symlink_to(tmp_path / "disk")
    (node / "weights.json").symlink_to(outside / "secret.json")
    listing(node, "weights.json", outside / "secret.json")
    assert not Store(kind.parent).done("train", KEY)


def test_what_is_none_of_a_store_is_left_alone(node: Path, outside: Path) -> None:
    (node.parents[1] / "notes.txt").symlink_to(outside / "secret.json")
    (node.parents[1] / ".#lock").symlink_to("me@host.1234")
    (node.parents[1] / "mine").symlink_to(outside)
    assert Store(node.parents[1]).done("train", KEY)
    done = harness("store", "clean", "--unused", f"--store={node.parents[1]}")
    assert done.returncode == 0, done.stderr


def test_a_store_may_be_reached_by_a_link_and_have_links_within(node: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(node.parents[1])
    (node.parents[1] / "logs").mkdir()
    (node.parents[1] / "logs" / "latest").symlink_to("../train")
    assert Store(tmp_path / "way").done("train", KEY)


@pytest.mark.parametrize(
    "use",
    [
        lambda store: store.path("train", "../../outside"),
        lambda store: store.path("..", "outside"),
        lambda store: store.partial_path("train", "../../../outside"),
        lambda store: store.read("train", KEY, "../../../outside/secret.json"),
        lambda store: store.busy("train", "../../outside"),
        lambda store: store.remove("..", "outside", "0" * 16),
    ],
)
def test_kinds_and_keys_are_names(use: Callable[[Store], object], node: Path) -> None:
    with pytest.raises(DataError, match=r"is no (name in a store|file of)"):
        use(Store(node.parents[1]))


def record(run: str = "r", kind: str = "eval", key: str = KEY) -> dict:
    about = {"run": run, "method": "m", "sequence": "s", "seed": 0, "schedule": "sequential"}
    about |= {"tasks": ["a"], "settings": {}}
    place = {"stage": 1, "trained_task": "a", "suite": "target", "benchmark": "a"}
    scored = {"headline": "accuracy", "filter": "none", "unit": "score"}
    cell = place | scored | {"kind": kind, "key": key, "shots": 0, "split": "test"}
    return {"run": about, "cells": [cell], "training": [{"stage": 1, "key": KEY}]}


def test_a_record_names_work_and_not_places(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(record()))
    assert read_record(path).run["run"] == "r"
    for wrong in (record(run="../r"), record(kind=".."), record(key="../../x")):
        path.write_text(json.dumps(wrong))
        with pytest.raises(DataError, match="is no name in a store") as caught:
            read_record(path)
        assert str(path) in str(caught.value)


def test_a_run_that_is_forgotten_takes_nothing_outside_with_it(node: Path, outside: Path) -> None:
    store = node.parents[1]
    (store / "readers").mkdir()
    away = "../../../outside"
    lines = [["train", away, "train", away], ["train", "1" * 20, "train", away]]
    (store / "readers" / "r.json").write_text(json.dumps(lines))
    for words in (["forget", "r", "--weights"], ["clean", "--unused"], ["clean", "--keep=ends"]):
        done = harness("store", *words, f"--store={store}")
        assert "Traceback" not in done.stderr
    assert refused("store", "forget", "r", f"--store={store}")


def test_a_checkpoint_is_read_in_its_folder_alone(node: Path, outside: Path) -> None:
    store = Store(node.parents[1])
    with store.leases.taken() as token:
        kept = Kept(store.partial_path("train", "1" * 20), store.leases, token)
        with kept.writing(1, {}) as folder:
            (folder / "stage.json").write_text("{}")
        kept.verify(1)
        listing(kept.path(1), "../../../../../outside/secret.json", outside / "secret.json")
        with pytest.raises(DataError, match="is no file of"):
            kept.verify(1)


def test_the_root_itself_may_not_be_there(tmp_path: Path) -> None:
    Store(tmp_path / "nowhere")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "eval").symlink_to(tmp_path / "not_mounted")
    with pytest.raises(ConfigError, match="eval is a link that leads out"):
        Store(tmp_path / "linked")
