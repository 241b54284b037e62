"""Ranks that die or hang in the middle of a run: the same command launches them again, and what it
makes has the bytes of a run in which nothing went wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from support.command import harness
from support.places import REPOSITORY
from support.processes import ranks_of

from harness.config.compose.compose import load
from harness.run.parent import execute

pytestmark = pytest.mark.distributed
STEPS = 50


@pytest.fixture(scope="module")
def words(tiny_model: Path, tiny_data: Path, tiny_conf: list[str]) -> list[str]:
    """One stage of some steps on two ranks, kept after each of them."""
    return [
        *(word for word in tiny_conf if not word.startswith("task=")),
        "task=[copy]", f"model.path={tiny_model}", f"data.root={tiny_data}", "train.epochs=10",
        "eval.stage0=false", "eval.limit=2", "engine.ranks=2", "engine.threads=1",
        "engine.oversubscribe=true", "train.checkpoint_steps=2",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    execute(load([*words, *placed(folder)]))
    return folder / "store"


def placed(folder: Path) -> list[str]:
    return [f"store.root={folder / 'store'}", f"store.results={folder / 'results'}"]


def trained(store: Path) -> float:
    """The share of the stage's steps that the newest launch has told of."""
    for path in sorted(store.glob("logs/*/events.0.jsonl"))[-1:]:
        with suppress(ValueError, IndexError):
            return json.loads(path.read_text().splitlines()[-1])["done"]
    return 0.0


def disturbed(words: list[str], folder: Path, disturb: Callable[[int], None]) -> tuple[int, str]:
    """The exit code of a command whose rank 1 is disturbed in the middle of the stage, and what it
    says."""
    store = folder / "store"
    parent = subprocess.Popen(
        [sys.executable, "-m", "harness", *words, *placed(folder)],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 240
    while not 0.1 < trained(store) < 0.9:
        assert time.monotonic() < deadline
        assert parent.poll() is None, parent.stderr.read() if parent.stderr else ""
        time.sleep(0.002)
    [second] = [pid for pid in ranks_of(store) if log_of(pid) == "rank1.log"]
    disturb(second)
    told = parent.communicate(timeout=400)[1]
    assert ranks_of(store) == []
    return parent.returncode, told


def log_of(pid: int) -> str:
    return Path(f"/proc/{pid}/fd/1").readlink().name


def require_same(whole: Path, store: Path) -> None:
    for name in ("train/*/model.safetensors", "eval/*/scores.json", "eval/*/predictions.jsonl"):
        [there] = whole.glob(name)
        assert (store / there.relative_to(whole)).read_bytes() == there.read_bytes()
    assert not list(store.glob("partial/train/*"))
    assert not list(store.glob("*/.*"))


def test_a_rank_that_is_killed_is_launched_again_from_the_checkpoint(
    words: list[str], whole: Path, tmp_path: Path
) -> None:
    code, told = disturbed(words, tmp_path, lambda pid: os.kill(pid, signal.SIGKILL))
    assert code == 0, told
    assert "rank 1 was ended by SIGKILL; was there memory enough? (log: " in told
    assert "; launched again from step " in told
    assert ", 1 of 2 times (run.retries)" in told
    require_same(whole, tmp_path / "store")


@pytest.mark.parametrize("both", [False, True])
def test_ranks_that_hang_are_ended_and_launched_again(
    both: bool, words: list[str], whole: Path, tmp_path: Path
) -> None:
    """A stopped process, for which the other one waits in a collective as long as it may; or all of
    them, of which nobody hears any more."""

    def stop(second: int) -> None:
        for pid in ranks_of(tmp_path) if both else [second]:
            os.kill(pid, signal.SIGSTOP)

    code, told = disturbed([*words, "engine.timeout_minutes=0.5"], tmp_path, stop)
    assert code == 0, told
    assert not both or "no rank got any further for" in told
    assert "; launched again from step " in told
    require_same(whole, tmp_path / "store")


# An objective to whose passes no more answer tokens fit than `most`.
NARROW = """
from dataclasses import dataclass

import torch

from harness.train.objectives import CrossEntropy


@dataclass
class Narrow(CrossEntropy):
    most: int = 1000

    def __call__(self, logits, targets):
        if len(targets) > self.most:
            torch.empty(1 << 60, dtype=torch.uint8)
        return super().__call__(logits, targets)
"""


def test_want_of_memory_halves_what_a_pass_takes_and_is_remembered(
    words: list[str], tmp_path: Path
) -> None:
    """Another seed begins with what fits; the losses are those of a run that had enough."""
    (tmp_path / "narrow.py").write_text(NARROW)
    common = [*words, "train.epochs=1", "code.allow=[narrow]", "train.pack_tokens=100"]
    told, reports = [], []
    for name, most, seed in (("plenty", 1000, 0), ("short", 30, 0), ("short", 30, 1)):
        objective = ["train.objective._target_=narrow.Narrow", f"+train.objective.most={most}"]
        places = placed(tmp_path / name)
        done = harness(*common, *objective, f"seed={seed}", *places, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        told.append(done.stderr)
        found = sorted((tmp_path / name).glob("store/train/*/training.json"), key=os.path.getmtime)
        reports.append(json.loads(found[-1].read_text()))
    line = "stage 1, copy: a pass takes at most 50 tokens instead of 100, since more did not fit"
    for number, again in enumerate((False, True, False)):
        assert ("memory does not hold a step with one packed row of" in told[number]) == again
        assert (line in told[number]) == (number > 0)
        assert reports[number].get("halvings", 0) == (number > 0)
    losses = [[step["loss"] for step in report["steps"]] for report in reports]
    assert len(losses[0]) == 5
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
