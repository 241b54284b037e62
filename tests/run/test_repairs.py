"""What is damaged is named, with the stage from which it is made again; nothing else is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import harness
from support.stored import weights

from harness.run.job import Job
from harness.run.pending import pending_nodes
from harness.run.repairs import checked_repairs, damaged
from harness.store.keys import FileHashes
from harness.store.store import Store
from harness.store.work import EvalWork, TrainWork, Work


def flip(path: Path) -> None:
    """One bit, as a disk does: size and time stay."""
    times, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def now(job: Job) -> Callable[[], list[Work]]:
    """What a command that begins now has to do."""
    return lambda: pending_nodes(job.config, job.store, job.plan)


MODEL, MANIFEST = "model.safetensors", "manifest.json"


@pytest.mark.parametrize(
    ("file", "harm", "what"),
    [
        (MODEL, lambda path: path.write_bytes(path.read_bytes()[:-1]), "is cut short"),
        (
            MODEL,
            lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
            "is not what was written",
        ),
        (MANIFEST, lambda path: path.write_text("{"), "is not what was written"),
    ],
)
def test_damage_is_named(file: str, harm: Callable[[Path], None], what: str, finished: Job) -> None:
    harm(weights(finished, 2).with_name(file))
    node = finished.plan.of(TrainWork)[1]
    assert damaged(finished.store, now(finished)()) == {
        node.key: f"train/{node.key}/{file} {what}: stage 2, {node.label}, is made again from "
        "stage 1"
    }


def test_a_whole_store_has_nothing_to_say(finished: Job) -> None:
    assert checked_repairs(finished.store, now(finished)).lines == {}
    for node in finished.plan.nodes:
        assert finished.store.damage(node.kind, node.key) is None


def test_a_flipped_bit_is_found_before_it_is_read(finished: Job) -> None:
    """By nobody who has no use of it, as that costs reading all."""
    flip(weights(finished, 1))
    last = finished.plan.of(TrainWork)[1]
    assert now(finished)() == []
    finished.store.remove("train", last.key, "0123456789abcdef")
    scored = next(node for node in finished.plan.of(EvalWork) if node.stage == 2)
    finished.store.remove("eval", scored.key, "0123456789abcdef")
    assert [node.key for node in now(finished)()] == [last.key, scored.key]
    repairs = checked_repairs(finished.store, now(finished))
    first = finished.plan.of(TrainWork)[0]
    assert [node.key for node in repairs.pending] == [first.key, last.key, scored.key]
    assert list(repairs.lines) == [first.key]
    assert repairs.lines[first.key].endswith("is made again from stage 0")
    finished.store.hashes.save()
    again = Store(finished.store.root)
    assert not again.done("train", first.key)


def test_a_model_is_read_once_a_process_however_many_jobs_want_it(
    finished: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = next(node for node in finished.plan.of(EvalWork) if node.stage == 2)
    finished.store.remove("eval", scored.key, "0123456789abcdef")
    read, counted = FileHashes.read, list[str]()

    def counting(hashes: FileHashes, path: Path) -> str:
        counted.append(path.name)
        return read(hashes, path)

    monkeypatch.setattr(FileHashes, "read", counting)
    for store, expected in (
        (finished.store, 1),
        (finished.store, 1),
        (Store(finished.store.root), 2),
    ):
        checked_repairs(store, now(finished))
        assert counted.count(MODEL) == expected


def test_answers_are_made_again_of_the_model_that_is_there(finished: Job) -> None:
    scored = next(node for node in finished.plan.of(EvalWork) if node.stage == 2)
    folder = finished.store.path("eval", scored.key)
    (folder / "predictions.jsonl").unlink()
    [line] = damaged(finished.store, now(finished)()).values()
    assert line.startswith(f"eval/{scored.key}/predictions.jsonl is gone: stage 2, ")
    assert line.endswith("is made again from stage 2")


def test_plan_says_it(finished: Job, tiny_run: list[str]) -> None:
    path = weights(finished, 1)
    path.write_bytes(b"")
    told = harness("plan", *tiny_run)
    assert told.returncode == 0, told.stderr
    assert f"{path.name} is cut short: stage 1, " in told.stdout
