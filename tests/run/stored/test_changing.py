"""Checking and clearing stores; what they must not lose."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from support.command import harness, refused
from support.stored import holding, known, planned, weights, write

from harness.cli.store import clean as cleaning
from harness.run.job import Job
from harness.run.stored import verify
from harness.run.stored.clean import remove_unused, unused_nodes
from harness.run.stored.runs import stored_runs
from harness.store.abandoned import DAY
from harness.store.files import write_json
from harness.store.store import Store
from harness.store.work import TrainWork


def flip(path: Path) -> None:
    """Change one bit in the middle; size and times stay."""
    data, times = bytearray(path.read_bytes()), path.stat()
    data[len(data) // 2] ^= 16
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_what_is_not_what_was_written_is_named(
    finished: Job, place: str, tiny_run: list[str]
) -> None:
    other = known(planned([*tiny_run, "eval.stage0=false"], "seed=1"))
    write(other)
    told = harness("store", "verify", place)
    assert told.returncode == 0
    assert told.stdout.startswith("12 nodes, ")
    assert told.stdout.endswith("all as they were written\n")
    root, evals = finished.store.root, [n for n in finished.plan.nodes if n.kind == "eval"]
    flip(weights(finished, 1))
    cut = root / "eval" / evals[0].key / "predictions.jsonl"
    cut.write_bytes(cut.read_bytes()[:-1])
    (root / "eval" / evals[1].key / "scores.json").unlink()
    manifest = root / "eval" / evals[2].key / "manifest.json"
    changed = json.loads(manifest.read_text())
    changed["identity"]["limit"] = 77
    manifest.write_text(json.dumps(changed))
    (root / "train" / finished.plan.of(TrainWork)[1].key / "manifest.json").write_text("{")
    told = harness("store", "verify", place)
    run = finished.plan.run["run"]
    assert told.returncode == 1
    by_file = dict(line.split(": ", 1) for line in told.stdout.splitlines())
    for path, what in (
        (weights(finished, 1), "its bytes are others than were written (sha256 differs)"),
        (cut, "is cut off: it holds 79 of 80 bytes"),
        (cut.parent.parent / evals[1].key / "scores.json", "is missing"),
        (manifest, "its identity has another content key"),
        (weights(finished, 2).parent / "manifest.json", "cannot be read as JSON of a node"),
    ):
        line = by_file[path.relative_to(root).as_posix()]
        assert line.startswith(what)
        assert line.endswith(f"; used by {run} (seqft seed=0 on micro8)")
    assert told.stdout.endswith("5 nodes are broken\n")
    assert harness("store", "verify", place, other.plan.run["run"][:10]).returncode == 0
    told = harness("store", "verify", place, "--remove")
    assert (told.returncode, told.stdout.splitlines()[-1][:15]) == (1, "removed 5 nodes")
    assert harness("store", "verify", place).stdout.startswith("7 nodes, ")


def test_a_trial_frees_nothing_and_what_is_said_goes(
    finished: Job, place: str, tiny_run: list[str], contents
) -> None:
    root = finished.store.root
    with finished.store.writing("train", "0" * 20, {}) as folder:
        (folder / "training.json").write_text("{}")
    old = root / "partial" / "eval" / "k"
    old.mkdir(parents=True)
    (old / "requests.json").write_text("x" * 100)
    for path in (old / "requests.json", old):
        os.utime(path, (path.stat().st_mtime - 31 * DAY,) * 2)
    before = contents(root)
    asked = ["store", "clean", place, "--keep", "ends", "--unused"]
    trial = harness(*asked, "--dry-run").stdout
    assert contents(root) == before
    done = harness(*asked).stdout
    assert trial.replace("would drop", "dropped").replace("would remove", "removed") == done
    assert "\ndropped weights of 1 models: " in done
    assert "removed 1 nodes that no run uses" in done
    assert "removed partial work of 1 nodes that nobody goes on with: 100 B" in done
    assert (weights(finished, 1).exists(), weights(finished, 2).exists()) == (False, True)
    gone = before.keys() - contents(root).keys()
    assert {name.split("/")[0] for name in gone} == {"train", "partial"}
    assert len(gone) == 4  # weights; two files of the unused node; the requests
    assert Store(root).done("train", finished.plan.of(TrainWork)[0].key)


def test_what_an_unfinished_run_reads_stays(finished: Job, place: str, tiny_run: list[str]) -> None:
    known(planned(tiny_run, "eval.limit=3"))
    told = harness("store", "clean", place, "--keep=none").stdout
    assert "dropped weights of 0 models" in told
    assert "left weights of 2 models, which unfinished runs read" in told
    assert weights(finished, 1).exists()
    reads = next((finished.store.root / "readers").glob("*.json"))
    for path in reads.parent.iterdir():
        os.utime(path, (path.stat().st_mtime - 6 * DAY,) * 2)
    told = harness("store", "clean", place, "--keep=[2]", "--days=5").stdout
    assert "dropped weights of 1 models" in told
    assert (weights(finished, 1).exists(), weights(finished, 2).exists()) == (False, True)


@pytest.mark.parametrize(
    "words", [["clean", "--keep=none", "--unused", "--dry-run"], ["du"], ["unfinished"]]
)
def test_a_look_writes_nothing(
    finished: Job, place: str, words: list[str], tiny_run: list[str]
) -> None:
    """Neither for a moment, nor what a process that was killed left."""
    root, (node, other) = finished.store.root, finished.plan.of(TrainWork)
    known(planned(tiny_run, "seed=1"))
    (root / "partial" / "eval" / "k").mkdir(parents=True)
    with holding(root, "train", node.key) as process:
        process.kill()
        process.wait()
    left = {*root.rglob("*")}
    assert any(path.suffix == ".lease" for path in left)
    with holding(root, "train", other.key, host="far"):
        touched = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_dir()}
        told = harness("store", words[0], place, *words[1:])
        assert told.returncode == 0, told.stderr
        assert {path: path.stat().st_mtime_ns for path in touched} == touched
    assert left <= {*root.rglob("*")}


@pytest.mark.parametrize("text", ["[[", "{}", '["x"]'])
def test_a_run_that_cannot_say_what_it_reads_keeps_everything(
    finished: Job, place: str, text: str, contents
) -> None:
    with finished.store.writing("eval", "0" * 20, {}):
        pass
    [reads] = (finished.store.root / "readers").glob("*.json")
    reads.write_text(text)
    before = contents(finished.store.root)
    told = harness("store", "clean", place, "--keep=none", "--unused")
    assert told.returncode == 1
    assert told.stdout.startswith("removed partial work of 0 nodes")
    lines = told.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"error: {reads}: does not say what") for line in lines)
    assert contents(finished.store.root) == before
    told = harness("store", "du", place)
    assert f"{reads}: does not say what" in told.stdout


def test_a_node_that_a_run_wants_meanwhile_is_brought_back(
    finished: Job, tiny_run: list[str], monkeypatch
) -> None:
    """It says so behind the first look and before the second."""
    store, other = finished.store, planned(tiny_run, "seed=1")
    write(other)
    alone = {(node.kind, node.key) for node in other.plan.nodes if node.stage > 0}
    with store.writing("eval", "0" * 20, {}):
        pass
    put = store.put_aside

    def begins(kind: str, key: str, token: str) -> Path:
        known(other)
        return put(kind, key, token)

    monkeypatch.setattr(store, "put_aside", begins)
    names = unused_nodes(store, stored_runs(store))
    assert {*names} == alone | {("eval", "0" * 20)}
    assert remove_unused(store, names) == ([("eval", "0" * 20)], [])
    assert all(store.done(*name) for name in alone)
    assert not store.path("eval", "0" * 20).exists()


def test_one_cleaning_that_fails_leaves_the_others(finished: Job, place: str, monkeypatch) -> None:
    with finished.store.writing("eval", "0" * 20, {}):
        pass

    def full_disk(*asked) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    monkeypatch.setattr(cleaning, "drop_weights", full_disk)
    told = harness("store", "clean", place, "--keep=ends", "--unused")
    assert (told.returncode, told.stderr) == (1, "error: x: No space left on device\n")
    assert "removed 1 nodes that no run uses" in told.stdout


def test_what_a_process_works_on_stays(finished: Job, place: str, tmp_path: Path) -> None:
    root, node = finished.store.root, finished.plan.of(TrainWork)[0]
    with finished.store.writing("eval", "0" * 20, {}):
        pass
    for kind, key, asked in (
        ("train", node.key, ["clean", place, "--keep=none"]),
        ("eval", "0" * 20, ["clean", place, "--unused"]),
    ):
        with holding(root, kind, key) as process:
            told = harness("store", *asked)
            line = f"left 1 nodes, as process {process.pid} on "
            assert (told.returncode, told.stdout.count(line)) == (0, 1)
            told = refused("store", "move", place, str(tmp_path / "new"))
            assert f"process {process.pid} on " in told
            assert told.endswith(f"works in {root}; end it first")
        assert (root / kind / key / "manifest.json").exists()
    assert weights(finished, 1).exists()


def test_words_that_are_wrong(finished: Job, place: str, tiny_run: list[str]) -> None:
    run = finished.plan.run["run"]
    known(planned(tiny_run, "seed=1"))
    for words, line in (
        (["clean", "--keep=some"], "--keep=some: use all, ends, none, or stages as in 2,4"),
        (["clean", "--days=0"], "--days=0: it must be a positive number"),
        (["verify", f"{run[:-1]}0"], f"there is no such run; did you mean '{run}'?"),
    ):
        assert line in refused("store", words[0], place, *words[1:])


def test_a_store_that_can_only_be_read(finished: Job, place: str, tmp_path: Path) -> None:
    root = finished.store.root
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    try:
        if os.access(root, os.W_OK):
            pytest.skip("this user writes everywhere")
        for words in (["ls"], ["du"], ["verify"], ["clean", "--keep=ends", "--dry-run"]):
            assert harness("store", words[0], place, *words[1:]).returncode == 0
        assert harness("status", place).returncode == 0
        for words in (["clean"], ["verify", "--remove"], ["move", str(tmp_path / "n")]):
            assert "cannot be written (Permission denied)" in refused(
                "store", words[0], place, *words[1:]
            )
    finally:
        for path in folders:
            path.chmod(0o755)


def test_what_cannot_be_read_is_told_and_stays(finished: Job, monkeypatch) -> None:
    store, node = finished.store, finished.plan.of(TrainWork)[0]
    read = verify.file_sha256

    def broken_disk(path: Path) -> str:
        if node.key in path.parts:
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    monkeypatch.setattr(verify, "file_sha256", broken_disk)
    [fault] = verify.faults(store, [("train", node.key)], verify.Checked())
    assert fault.line.endswith("model.safetensors: cannot be read (Input/output error)")
    assert verify.remove(store, [fault]) == ([], [])
    assert weights(finished, 1).exists()


def test_only_what_is_still_broken_is_removed(finished: Job) -> None:
    store, path = finished.store, weights(finished, 1)
    right, evals = path.read_bytes(), [node for node in finished.plan.nodes if node.kind == "eval"]
    flip(path)
    for node in evals[:2]:
        (store.path("eval", node.key) / "scores.json").unlink()
    names = [("train", path.parent.name), *(("eval", node.key) for node in evals[:2])]
    found = list(verify.faults(store, names, verify.Checked()))
    assert len(found) == 3
    path.write_bytes(right)
    shutil.rmtree(store.path(*names[2]))
    assert verify.remove(store, found) == ([names[1]], [])
    assert path.exists()


def test_weights_that_are_dropped_meanwhile_are_not_missing(finished: Job, monkeypatch) -> None:
    store, path = finished.store, weights(finished, 1)
    write_json(path.parent / "dropped.json", {path.name: 4})
    path.unlink()
    told = [{}, {path.name: 4}]  # before the run dropped them, and after
    monkeypatch.setattr(store, "dropped", lambda kind, key: told.pop(0))
    assert not list(verify.faults(store, [("train", path.parent.name)], verify.Checked()))
    assert told == []


@pytest.mark.parametrize(
    ("file", "change", "line"),
    [
        ("manifest.json", {"files": ["model.safetensors"]}, "cannot be read as JSON of a node"),
        ("manifest.json", {"stamps": None}, "cannot be read as JSON of a node"),
        ("dropped.json", [], "is not the note of dropped weights that was written"),
    ],
)
def test_a_file_about_a_node_that_is_damaged_is_named(
    finished: Job, place: str, file: str, change: object, line: str
) -> None:
    path = weights(finished, 1).parent / file
    told = json.loads(path.read_text()) | change if isinstance(change, dict) else change
    path.write_text(json.dumps(told))
    said = harness("store", "verify", place)
    assert (said.returncode, said.stderr) == (1, "")
    assert f"{file}: {line}" in said.stdout
    assert said.stdout.endswith("1 nodes are broken\n")
