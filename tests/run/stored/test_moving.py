"""Moving and joining stores; what they must not lose."""

import errno
import json
import os
from pathlib import Path

import pytest
from support.command import harness, refused
from support.stored import known, planned, weights, write

from harness.run.job import Job
from harness.run.stored import move as moving
from harness.run.stored.clean import unused_nodes
from harness.run.stored.runs import stored_runs
from harness.store.contents import Name
from harness.store.store import Store


def test_a_moved_store_has_the_same_bytes(
    finished: Job, place: str, tmp_path: Path, contents
) -> None:
    root, new = finished.store.root, tmp_path / "other" / "new"
    before = contents(root)
    told = harness("store", "move", place, str(new))
    assert (told.returncode, told.stdout) == (0, f"{root} is {new} now\n")
    after = contents(new)
    assert after == before
    assert not root.exists()
    moved = Store(new)
    assert all(moved.done(node.kind, node.key) for node in finished.plan.nodes)
    assert harness("store", "verify", f"--store={new}").returncode == 0


def naming(store: Store, key: str) -> Path:
    """A node with a file that names a place in its store."""
    with store.writing("train", key, {}) as folder:
        text = json.dumps({"base_model_name_or_path": f"{store.root}/cache/models/m", "r": 8})
        (folder / "adapter_config.json").write_text(text)
        (folder / "notes.bin").write_text("x")
    return store.path("train", key) / "adapter_config.json"


def test_a_node_names_its_new_place(finished: Job, place: str, tmp_path: Path) -> None:
    old, new = naming(finished.store, "0" * 20), tmp_path / "new"
    told = harness("store", "move", place, str(new)).stdout
    assert told.endswith(f"now; 1 nodes name it instead of {finished.store.root}\n")
    moved = new / old.relative_to(finished.store.root)
    assert json.loads(moved.read_text()) == {
        "base_model_name_or_path": f"{new}/cache/models/m",
        "r": 8,
    }
    assert harness("store", "verify", f"--store={new}").returncode == 0
    assert Store(new).done("train", "0" * 20)


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("{root}/m", "{new}/m"),
        ("/mnt/big{root}/m", "/mnt/big{root}/m"),
        ("base={root}/m {root}x/m", "base={new}/m {root}x/m"),
        ("{link}/store/m", "{new}/m"),
    ],
)
def test_a_place_is_a_whole_path(text: str, moved: str, tmp_path: Path) -> None:
    """Named as the store is, or without links."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    root, new = (real if "link" not in text else link) / "store", tmp_path / "new"
    places = {"root": real / "store", "link": link, "new": new}
    with Store(root).writing("train", "0" * 20, {}) as folder:
        (folder / "notes.md").write_text(text.format(**places))
    assert harness("store", "move", f"--store={root}", str(new)).returncode == 0
    told = (new / "train" / ("0" * 20) / "notes.md").read_text()
    assert told == moved.format(**places)


def test_a_move_that_breaks_off_behind_the_rename_is_finished(
    finished: Job, place: str, tmp_path: Path, monkeypatch
) -> None:
    root, new = finished.store.root, tmp_path / "new"
    for key in ("0" * 20, "1" * 20):
        naming(finished.store, key)
    fill, filled = moving._fill, list[Path]()

    def bad_disk(old: Path, *rest) -> None:
        filled.append(old)
        if len(filled) == 2:
            raise OSError(errno.EIO, "Input/output error")
        fill(old, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(moving, "_fill", bad_disk)
        told = refused("store", "move", place, str(new))
    assert "Input/output error" in told
    assert told.endswith(f"`python -m harness store move {new} --store {root}` goes on")
    assert not root.exists()
    told = harness("store", "move", str(new), place)
    assert (told.returncode, told.stdout.count(f"; 1 nodes name it instead of {root}")) == (0, 1)
    for key in ("0" * 20, "1" * 20):
        text = (new / "train" / key / "adapter_config.json").read_text()
        assert f'"{new}/cache/models/m"' in text
    assert harness("store", "verify", f"--store={new}").returncode == 0
    assert "nothing in" in refused("store", "move", str(new), place)


def test_another_file_system_is_refused_with_what_to_do(finished: Job, place: str) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == finished.store.root.stat().st_dev:
        pytest.skip("needs a second file system")
    target = shared / f"harness-{os.getpid()}"
    told = refused("store", "move", place, str(target))
    assert "is on another file system; " in told
    assert f"harness store move {target} --from {finished.store.root}` copies" in told
    assert not target.exists()


def test_two_stores_join(
    finished: Job, place: str, tiny_run: list[str], tmp_path: Path, contents
) -> None:
    """What is there is left; what comes shares its files; the other one stays as it was."""
    here = [word for word in tiny_run if not word.startswith("store.root")]
    job = known(planned([*here, f"store.root={tmp_path / 'second'}"], "seed=1"))
    write(job)
    named = naming(finished.store, "0" * 20)
    source, target = contents(finished.store.root), contents(job.store.root)
    shared = [n for n in job.plan.nodes if n.stage == 0]
    asked = ["store", "move", str(job.store.root), "--from", str(finished.store.root)]
    told = harness(*asked)
    assert told.returncode == 0, told.stderr
    assert f": {len(finished.plan.nodes) - len(shared) + 1} nodes came from " in told.stdout
    assert told.stdout.endswith(f" 0 copied), {len(shared)} were there\n")
    assert contents(finished.store.root) == source
    joined = contents(job.store.root)
    assert {name: joined[name] for name in target} == target
    mended = named.relative_to(finished.store.root).as_posix()
    for name, data in source.items():
        if name.startswith(("train/", "eval/", "runs/", "readers/")) and "0" * 20 not in name:
            assert name in target or joined[name] == data
    assert f'"{job.store.root}/cache' in joined[mended].decode()
    assert weights(finished, 1).samefile(
        job.store.root / weights(finished, 1).relative_to(finished.store.root)
    )
    assert harness("store", "verify", f"--store={job.store.root}").returncode == 0
    listed = harness("store", "ls", f"--store={job.store.root}").stdout.splitlines()
    assert len(listed) == 3
    assert all(line.split()[4:6] == ["2/2", "5/5"] for line in listed[1:])
    again = harness(*asked).stdout
    assert f": 0 nodes came from {finished.store.root}" in again
    with finished.store.writing("train", "1" * 20, {}) as folder:
        (folder / "training.json").write_text("{}")
    (finished.store.path("train", "1" * 20) / "training.json").write_text("{")
    again = harness(*asked).stdout
    assert "\n1 nodes there are broken and did not come; " in again
    assert not job.store.path("train", "1" * 20).exists()
    assert list((job.store.root / "locks").iterdir()) == []


def test_what_is_brought_is_used_from_the_first_node_on(
    finished: Job, tmp_path: Path, monkeypatch
) -> None:
    """So that `clean --unused` leaves it meanwhile."""
    target, bring, unused = Store(tmp_path / "second"), moving._bring, list[Name]()

    def looked_at(*asked) -> None:
        bring(*asked)
        unused.extend(unused_nodes(target, stored_runs(target)))

    monkeypatch.setattr(moving, "_bring", looked_at)
    assert moving.join(target, finished.store).nodes == len(finished.plan.nodes)
    assert unused == []


def test_moves_that_are_refused(finished: Job, place: str, tmp_path: Path, contents) -> None:
    root, full = finished.store.root, tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "nowhere").symlink_to(tmp_path / "x")
    before = contents(tmp_path)
    for words, line in (
        ([place, str(root)], "is that very store"),
        ([place, str(root / "in")], f"lies in the store {root} itself"),
        ([place, str(tmp_path)], f"the store {root} lies in it"),
        ([place, str(full)], "is there already"),
        ([place, str(tmp_path / "empty")], "is there already"),
        ([place, str(tmp_path / "nowhere")], "nowhere: is a link"),
        ([f"--store={tmp_path / 'link'}", str(tmp_path / "x")], "link: is a link"),
        ([str(full), "--from", str(root)], "is not empty, and no store"),
        ([str(root), "--from", str(full)], "is no store"),
        ([str(root), "--from", str(tmp_path / "x")], "--from: there is no folder"),
        ([str(root), "--from", str(root)], "is that very store"),
    ):
        assert line in refused("store", "move", *words)
    assert contents(tmp_path) == before
    with Store(tmp_path / "second").writing("eval", "0" * 20, {}):
        pass
    told = refused("store", "move", place, str(tmp_path / "second"))
    assert f"harness store move {tmp_path / 'second'} --from {root}`" in told
