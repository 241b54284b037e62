"""A run that is ended in the middle of a stage goes on there, whoever ended it."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from support.processes import ranks_of, started, when

from harness.config.compose.compose import load
from harness.run.parent import execute

pytestmark = pytest.mark.distributed
STEPS = 100  # of the one stage: about two seconds


def kept(store: Path) -> list[int]:
    """Steps behind which the stage is kept."""
    return sorted(int(path.name[5:]) for path in store.glob("partial/train/*/step-*"))


def trains(store: Path) -> bool:
    """Has a rank said that some of its steps are done?"""
    for path in store.glob("logs/*/events.0.jsonl"):
        with suppress(ValueError, IndexError):  # nothing said yet, or half a line
            return 0 < json.loads(path.read_text().splitlines()[-1])["done"] < 0.5
    return False


def test_a_stage_goes_on_where_it_was_ended(
    tiny_model: Path, tiny_data: Path, tiny_conf: list[str], tmp_path: Path
) -> None:
    """By SIGTERM, behind which it is kept; then by the death of a rank, from its checkpoint."""
    words = [word for word in tiny_conf if not word.startswith("task=")]
    words += [f"model.path={tiny_model}", f"data.root={tiny_data}", "task=[copy]"]
    words += ["train.epochs=20", "eval.stage0=false", "eval.limit=1", "store.keep=all"]
    placed = [*words, f"store.root={tmp_path / 'store'}", f"store.results={tmp_path / 'results'}"]
    store = tmp_path / "store"

    parent = started(*placed)
    when(lambda: trains(store), parent)
    parent.send_signal(signal.SIGTERM)
    told = parent.communicate(timeout=60)[1]
    assert parent.returncode == 143
    assert "ended by SIGTERM; the same command goes on where it stopped" in told
    [first] = kept(store)
    assert 0 < first < STEPS

    parent = started(*placed, "train.checkpoint_steps=1", "run.retries=0")
    when(lambda: max(kept(store), default=first) > first, parent)
    [rank] = ranks_of(store)
    os.kill(rank, signal.SIGKILL)
    told = parent.communicate(timeout=60)[1]
    assert parent.returncode == 1
    assert f"goes on at step {first} of {STEPS}" in told
    assert "rank 0 was ended by SIGKILL" in told
    second = max(kept(store))
    assert second > first

    parent = started(*placed)
    told = parent.communicate(timeout=120)[1]
    assert parent.returncode == 0, told
    assert f"goes on at step {second} of {STEPS}" in told
    assert not list(store.glob("partial/train/*"))

    whole = tmp_path / "whole"
    execute(load([*words, f"store.root={whole}", f"store.results={tmp_path / 'other'}"]))
    for name in ("train/*/model.safetensors", "eval/*/scores.json", "eval/*/predictions.jsonl"):
        [there] = whole.glob(name)
        assert (store / there.relative_to(whole)).read_bytes() == there.read_bytes()
    reports = [
        json.loads(next(root.glob("train/*/training.json")).read_text()) for root in (store, whole)
    ]
    assert len(reports[0]["steps"]) == STEPS
    assert reports[0]["steps"] == reports[1]["steps"]

    launch = max(store.glob("logs/*/training.jsonl"))  # the last one, by its time
    lines = [json.loads(line) for line in launch.read_text().splitlines()]
    assert [line["step"] for line in lines] == [*range(1, STEPS + 1)]
    assert [line["loss"] for line in lines] == [step["loss"] for step in reports[1]["steps"]]
    assert [line["step"] for line in lines if "seconds" in line] == [*range(second + 1, STEPS + 1)]
