"""eval.beside: other ranks score finished stages while the next one trains."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.places import REPOSITORY
from support.processes import ranks_of

from harness.config.compose.compose import load
from harness.errors import StageFailed
from harness.results.schema import read_scores
from harness.run.parent import Outcome, execute

pytestmark = pytest.mark.distributed
BESIDE = ["eval.beside=1", "store.keep=ends"]


@pytest.fixture(scope="module")
def alone(
    tiny_model: Path,
    tiny_data: Path,
    tiny_conf: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[str], Path]:
    """A run whose ranks score what they have trained: its overrides (without a store), among them
    a gate that is open, and its folder. Optimizer state goes on from task to task."""
    folder = tmp_path_factory.mktemp("alone")
    common = [
        *tiny_conf,
        f"model.path={tiny_model}",
        f"data.root={tiny_data}",
        "train.reset_optimizer=never",
        "train.max_steps=2",
        "engine.ranks=1",
        "engine.threads=1",
        "code.allow=[support.gated]",
        f"+method.gated={{_target_: support.gated.Gated, gate: {folder / 'gate'}}}",
    ]
    run(common, folder)
    return common, folder


@pytest.fixture
def close(alone: tuple[list[str], Path]):
    """Has stage 2 wait for scores of stage 1 in the store of a folder, until the test ends."""
    gate = alone[1] / "gate"
    yield lambda folder: gate.write_text(str(folder / "store"))
    gate.unlink(missing_ok=True)


def placed(folder: Path) -> list[str]:
    return [f"store.root={folder / 'store'}", f"store.results={folder / 'results'}"]


def run(common: list[str], folder: Path, *more: str) -> Outcome:
    return execute(load([*common, *placed(folder), *more]))


def scores(folder: Path) -> list[dict]:
    """The table, but for how long training took and what it held."""
    frame = read_scores(folder / "results" / "scores.csv").frame()
    measured = frame["metric"].isin(["device_hours", "peak_memory"])
    return frame[~measured].astype(str).to_dict("records")


def answers(folder: Path) -> dict[str, bytes]:
    """Predictions and scores of every evaluation."""
    names = ("predictions.jsonl", "scores.json")
    store = folder / "store"
    found = [path for name in names for path in store.glob(f"eval/[!.]*/{name}")]
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in found}


def weights(folder: Path) -> dict[str, bytes]:
    found = (folder / "store").glob("train/[!.]*/*.safetensors")
    return {path.parent.name: path.read_bytes() for path in found}


def require_same(alone: Path, folder: Path) -> None:
    """The same bytes; of the weights those of the last stage, which are kept."""
    assert scores(folder) == scores(alone)
    assert answers(folder) == answers(alone)
    assert len(answers(folder)) == 10
    [(key, kept)] = weights(folder).items()
    assert weights(alone)[key] == kept
    assert not list((folder / "store").glob("train/*/engine"))
    assert not list((folder / "store").glob("*/.*"))


def jobs(folder: Path) -> dict[bool, list[Path]]:
    """The folders of what was launched: of ranks that wait for what others make, and of others."""
    found: dict[bool, list[Path]] = {True: [], False: []}
    for path in sorted((folder / "store" / "logs").glob("*/job.json")):
        with suppress(ValueError):  # it is being written
            found[bool(json.loads(path.read_text())["awaited"])].append(path.parent)
    return found


def until(true) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_stage_1_is_scored_while_stage_2_trains(
    alone: tuple[list[str], Path], close, tmp_path: Path
) -> None:
    """Stage 2 begins its first step after that, and both groups were launched once. Everything is
    the same bytes as of ranks that did one after the other."""
    common, first = alone
    close(tmp_path)
    outcome = run(common, tmp_path, *BESIDE)
    assert (outcome.trained, outcome.scored) == (2, 5)
    require_same(first, tmp_path)
    manifests = [
        json.loads(path.read_text()) for path in (tmp_path / "store").glob("*/*/manifest.json")
    ]
    times = {(m["kind"], m["stage"]): (m["started"], m["finished"]) for m in manifests}
    assert times["eval", 1][0] < times["train", 2][1]
    assert {len(folders) for folders in jobs(tmp_path).values()} == {1}


@pytest.mark.parametrize("scoring", [True, False])
def test_a_killed_rank_ends_both_groups_and_the_same_command_goes_on(
    alone: tuple[list[str], Path], close, tmp_path: Path, scoring: bool
) -> None:
    common, first = alone
    close(tmp_path / "elsewhere")  # so that stage 2 does not end before

    def kill() -> None:
        store = tmp_path / "store"
        until(lambda: list(store.glob("train/[!.]*")) and jobs(tmp_path)[scoring])
        [folder] = jobs(tmp_path)[scoring]
        until(lambda: ranks_of(folder))
        os.kill(ranks_of(folder)[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(StageFailed, match="rank 0 was ended by SIGKILL") as caught:
        run(common, tmp_path, *BESIDE, "run.retries=0")
    killer.join()
    [folder] = jobs(tmp_path)[scoring]
    assert str(caught.value).endswith(f"(log: {folder / 'rank0.log'})")
    assert ("train" in str(caught.value)) != scoring
    until(lambda: not ranks_of(tmp_path))
    assert not list((tmp_path / "store" / "locks").iterdir())

    close(tmp_path)
    run(common, tmp_path, *BESIDE)
    require_same(first, tmp_path)


def test_sigterm_ends_both_groups(alone: tuple[list[str], Path], close, tmp_path: Path) -> None:
    close(tmp_path / "elsewhere")
    parent = subprocess.Popen(
        [sys.executable, "-m", "harness", *alone[0], *placed(tmp_path), *BESIDE],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: parent.poll() is not None or len(ranks_of(tmp_path)) == 2)
    parent.send_signal(signal.SIGTERM)
    told = parent.communicate(timeout=60)[1]
    assert parent.returncode == 143, told
    assert "Traceback" not in told
    assert ranks_of(tmp_path) == []
    assert not list((tmp_path / "store" / "leases").iterdir())
