"""What is to happen, what has, and what a sweep cost, against counts by hand."""

import json
import signal
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from soaking.blows import SHORT, Blow, Happened, Kind, Who, drawn, left, quota
from soaking.effort import Effort, effort
from soaking.harms import cut, flip
from soaking.places import Place
from soaking.record import Record
from soaking.report import write
from soaking.site import happened
from soaking.sweep import OTHERS, Sweep, full_sweep

A, B, X, Y = (letter * 20 for letter in "abde")


def test_what_is_asked_for_is_enough() -> None:
    """At least 100 kills over three stores, 30 inside stages and 10 at each of the others."""
    sweep = full_sweep(102)
    wanted = Counter[tuple[Kind, Place]]()
    for _ in sweep.zeros:
        wanted += quota(sweep.kills, sweep.others)
    kills = {place: n for (kind, place), n in wanted.items() if kind is Kind.kill}
    assert sum(kills.values()) >= 100
    assert kills[Place.stage] >= 30
    assert all(kills[place] >= 10 for place in SHORT)
    assert sum(n for (kind, _), n in wanted.items() if kind is not Kind.kill) >= 20


@pytest.mark.parametrize(("kills", "each"), [(12, 2), (18, 3)])
def test_few_kills_are_as_many_everywhere(kills: int, each: int) -> None:
    assert quota(kills, ()) == {(Kind.kill, place): each for place in (Place.stage, *SHORT)}


def test_all_that_is_asked_for_is_drawn_until_nothing_is_left() -> None:
    wanted, done = quota(12, OTHERS), list[Happened]()
    while pool := left(wanted, done):
        blow = drawn(pool, Random(f"{len(done)}"))
        assert blow == drawn(pool, Random(f"{len(done)}"))
        assert blow.signal == signal.SIGKILL or blow.who is not Who.every
        done.append(happened(blow, blow.who, "", blow.signal))
    assert len(done) == 12 + len(OTHERS)
    assert {one.kind for one in done} == set(Kind)


def test_a_bit_and_a_half_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\x00\x01\x02\x03")
    before = file.stat()
    flip(file, 9, quietly=True)
    assert file.read_bytes() == b"\x00\x03\x02\x03"
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    flip(file, 9, quietly=False)
    assert file.read_bytes() == b"\x00\x01\x02\x03"
    assert file.stat().st_mtime_ns != before.st_mtime_ns
    cut(file)
    assert file.read_bytes() == b"\x00\x01"


def node(store: Path, kind: str, key: str, name: str, content: object) -> None:
    folder = store / kind / key
    folder.mkdir(parents=True)
    (folder / name).write_text(json.dumps(content))
    (folder / "manifest.json").write_text(json.dumps({"files": {name: ""}}))


def told(store: Path, launch: str, *events: tuple[str, float, float | None]) -> None:
    folder = store / "logs" / launch
    folder.mkdir(parents=True)
    lines = [json.dumps({"key": k, "done": d, "before": b}) for k, d, b in events]
    (folder / "events.0.jsonl").write_text("\n".join(lines) + '\n{"key": "b')


def test_work_is_counted(tmp_path: Path) -> None:
    """A run of two stages of ten steps. The first is killed behind its sixth step and goes on
    behind its fourth; of the second 3 steps are lost. Stage 1 has a cell of 8 requests, stage 2 the
    same benchmark and one of 4, of whose two chunks one was begun twice."""
    for key in (A, B):
        node(tmp_path, "train", key, "training.json", {"cost": {"optimizer_steps": 10}})
    for key, n in ((X, 8), (Y, 4)):
        node(tmp_path, "eval", key, "scores.json", [{"n": n}, {"n": None}])
    told(tmp_path, "1", (A, 0.1, None), (A, 0.6, None))
    told(tmp_path, "2", (A, 0.4, 0.4), (A, 0.999, None), (A, 1.0, None), (B, 0.3, None))
    told(tmp_path, "3", (B, 0.5, None), (B, 1.0, None), (X, 0.5, None), (X, 1.0, None))
    cell = {
        "suite": "target",
        "benchmark": "t",
        "trained_task": None,
        "headline": "a",
        "filter": "none",
    }
    cell |= {"kind": "eval", "split": "test", "shots": 0, "unit": "score", "side": None}
    cells = [cell | {"stage": 1, "key": X}, cell | {"stage": 2, "key": X}]
    cells.append(cell | {"stage": 2, "key": Y})
    run = {"run": "r", "method": "m", "sequence": "s", "seed": 0, "schedule": "sequential"}
    run |= {"tasks": ["t", "u"], "settings": {}}
    training = [{"stage": 1, "key": A}, {"stage": 2, "key": B}]
    (tmp_path / "runs").mkdir()
    record = {"run": run, "cells": cells, "training": training}
    (tmp_path / "runs" / "r.json").write_text(json.dumps(record))
    notes = [f"chunk {X}.00000", f"chunk {Y}.00000", f"chunk {Y}.00001", f"chunk {Y}.00001"]
    assert effort(tmp_path, [*notes, f"node train/{A}"]) == Effort(
        steps_done=6 + 6 + 3 + 10,
        steps_needed=20,
        steps_alone=10 + 20 + 20,
        requests_done=8 + 6,
        requests_needed=12,
        requests_alone=8 + 8 + 4,
    )


def test_a_campaign_remembers_and_reports(tmp_path: Path) -> None:
    record = Record(tmp_path, 3)
    kill = Blow(Kind.kill, Place.rename, 1, 0.5, Who.every, signal.SIGKILL, other=False)
    record.add(happened(kill, Who.every, "train/x", signal.SIGKILL))
    record.result.effort = Effort(30, 20, 90, 10, 10, 15)
    record.result.files, record.result.rounds = 7, 1
    record.save()
    again = Record(tmp_path, 3)
    assert (again.happened, again.result) == (record.happened, record.result)
    sweep = Sweep(("method=seqft",), (3,), 12, OTHERS)
    text = write(tmp_path / "soak.md", sweep, 0, [again]).read_text()
    assert "all 7 files of its nodes equal" in text
    assert "| rename | 1 | 1 |" in text
    assert "SIGKILL to all processes 1" in text
    assert "| ZeRO 3 | 1 | 0 | 20 | 30 | 50% | 90 | 3.00 | 10 | 10 | 0% | 15 | 1.50 |" in text
    assert "should not have been" not in text
    again.result.different = ["train/x/model.safetensors: other bytes"]
    assert "- ZeRO 3: train/x/model" in write(tmp_path / "soak.md", sweep, 0, [again]).read_text()
