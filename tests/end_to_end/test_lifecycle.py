"""A run from nothing to a table: skipping, sharing, resuming, repeating byte for byte."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.command import harness
from support.places import REPOSITORY
from support.processes import ranks_of

from harness.config.compose.compose import load
from harness.errors import StageFailed
from harness.results.schema import read_scores
from harness.run.parent import Outcome, execute
from harness.store.store import Store

pytestmark = pytest.mark.distributed


def run(overrides: list[str], *more: str) -> Outcome:
    return execute(load([*overrides, *more]))


def files(root: Path, kind: str, suffix: str) -> dict[str, bytes]:
    """Relative name -> bytes of every file of one kind of node."""
    found = sorted((root / kind).rglob(f"*{suffix}"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def base(
    tiny_model: Path,
    tiny_data: Path,
    tiny_conf: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[str], Path, Outcome]:
    """One finished run, its overrides (without a store) and its folder."""
    folder = tmp_path_factory.mktemp("base")
    common = [*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}"]
    return common, folder, run(common, *_store(folder))


def _store(folder: Path) -> list[str]:
    return [f"store.root={folder / 'store'}", f"store.results={folder / 'results'}"]


def test_first_run_does_everything_second_nothing(base: tuple) -> None:
    common, folder, first = base
    assert (first.trained, first.scored) == (2, 5)
    again = run(common, *_store(folder))
    assert (again.trained, again.scored) == (0, 0)


def test_one_worker_start_for_the_whole_sequence(base: tuple) -> None:
    _, folder, _ = base
    assert len(list((folder / "store" / "logs").iterdir())) == 1


def test_the_table_holds_the_promised_cells(base: tuple) -> None:
    _, _, outcome = base
    frame = read_scores(outcome.table).frame()
    cells = frame[frame["headline"]][["stage", "benchmark"]].to_numpy().tolist()
    assert sorted(map(tuple, cells)) == [
        (0, "copy"),
        (0, "count"),
        (1, "copy"),
        (2, "copy"),
        (2, "count"),
    ]
    assert set(frame[frame["suite"] != "cost"]["n"]) == {8}


def test_another_store_gets_the_same_bytes(base: tuple, tmp_path: Path) -> None:
    common, folder, _ = base
    run(common, *_store(tmp_path))
    for kind, suffix in (("train", ".safetensors"), ("eval", ".jsonl"), ("eval", "scores.json")):
        first, second = (
            files(folder / "store", kind, suffix),
            files(tmp_path / "store", kind, suffix),
        )
        assert first == second
        assert first


def test_scoring_changes_no_training(base: tuple, tmp_path: Path) -> None:
    """Train-score-train equals train-train: only the last cells are scored here."""
    common, folder, _ = base
    rules = ["eval.past=ends", "eval.stage0=false", "eval.limit=1"]
    run(common, *_store(tmp_path), *rules)
    weights = files(tmp_path / "store", "train", ".safetensors")
    assert weights == files(folder / "store", "train", ".safetensors")


def test_two_ranks_deal_cells_and_score_the_same(base: tuple, tmp_path: Path) -> None:
    """Stage 0 on two ranks: the same chunks, so predictions do not depend on their number."""
    common, folder, _ = base
    run(common, *_store(tmp_path), "engine.ranks=2", "engine=zero2", "train.max_steps=1")
    here = files(tmp_path / "store", "eval", ".jsonl")
    there = files(folder / "store", "eval", ".jsonl")
    shared = set(here) & set(there)
    assert len(shared) == 2  # the two cells of stage 0 have the same key in both stores
    assert all(here[name] == there[name] for name in shared)


def test_zero3_trains_all_stages_in_one_launch(base: tuple, tmp_path: Path) -> None:
    common, folder, _ = base
    outcome = run(common, *_store(tmp_path), "engine=zero3", "eval.past=ends")
    assert outcome.trained == 2
    assert len(list((tmp_path / "store" / "logs").iterdir())) == 1
    # the ZeRO stage is not part of what a node is
    assert set(files(tmp_path / "store", "train", ".safetensors")) == set(
        files(folder / "store", "train", ".safetensors")
    )


def test_damaged_node_is_done_again(base: tuple, tmp_path: Path) -> None:
    common, _, _ = base
    run(common, *_store(tmp_path), "eval.past=ends")
    scores = next((tmp_path / "store" / "eval").glob("*/scores.json"))
    good = scores.read_bytes()
    scores.write_bytes(b"[]")
    again = run(common, *_store(tmp_path), "eval.past=ends")
    assert (again.trained, again.scored) == (0, 1)
    assert scores.read_bytes() == good


def test_divergence_is_one_line_and_leaves_no_node(base: tuple, tmp_path: Path) -> None:
    common, _, _ = base
    with pytest.raises(StageFailed, match="the loss of copy is nan at step"):
        run(common, *_store(tmp_path), "train.learning_rate=1e30", "train.clip=0")
    assert not list((tmp_path / "store" / "train").iterdir())
    assert len(list((tmp_path / "store" / "eval").iterdir())) == 2  # stage 0 was done before


def test_moments_carried_over(base: tuple, tmp_path: Path) -> None:
    """reset_optimizer=never differs from a fresh optimizer in the second task only, and leaves no
    optimizer state behind when the sequence is done."""
    common, folder, _ = base
    run(common, *_store(tmp_path), "train.reset_optimizer=never", "eval.past=ends")
    fresh = sorted(files(folder / "store", "train", ".safetensors").values())
    carried = sorted(files(tmp_path / "store", "train", ".safetensors").values())
    assert len(set(fresh) & set(carried)) == 1
    assert not list((tmp_path / "store" / "train").glob("*/engine"))


def _finished(store: Path, kind: str) -> list[Path]:
    """Nodes in their place: one that is being written has its manifest before its name."""
    return list(store.glob(f"{kind}/[!.]*/manifest.json"))


def test_killed_parent_leaves_no_rank_and_the_next_run_does_the_rest(
    base: tuple, tmp_path: Path
) -> None:
    common, _, _ = base
    store = tmp_path / "store"
    command = [sys.executable, "-m", "harness", *common, *_store(tmp_path)]
    command += ["engine.ranks=2", "engine=zero2"]
    parent = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not _finished(store, "train"):
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.02)
    assert len(ranks_of(store)) == 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 60
    while ranks_of(store):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    left_over = len(_finished(store, "*"))
    assert left_over < 7
    again = run(common, *_store(tmp_path), "engine.ranks=2", "engine=zero2")
    assert again.trained + again.scored == 7 - left_over
    assert not list(store.glob("*/.*"))  # no half-written folder stays


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGUSR1, 138, "ended by SIGUSR1"),
    ],
)
def test_an_ended_run_says_that_it_goes_on(
    base: tuple, tmp_path: Path, number: signal.Signals, code: int, said: str
) -> None:
    """And leaves no lease, for whose silence another machine would wait."""
    common, _, _ = base
    parent = subprocess.Popen(
        [sys.executable, "-m", "harness", *common, *_store(tmp_path)],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts tests in its background has them ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not _finished(tmp_path / "store", "*"):
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.02)
    parent.send_signal(number)
    told = parent.communicate(timeout=60)[1]
    assert parent.returncode == code
    assert f"{said}; the same command goes on where it stopped" in told
    assert not list((tmp_path / "store" / "leases").iterdir())
    assert "Traceback" not in told


def test_parents_of_two_machines_share_one_store(base: tuple, tmp_path: Path) -> None:
    """Two of one machine, and one of a machine whose processes they cannot see."""
    common, _, _ = base
    command = [sys.executable, "-m", "harness", *common, *_store(tmp_path), "eval.past=ends"]
    here = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    parents = [
        subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
        )
        for environment in (here, here, here | {"HARNESS_HOST": "far"})
    ]
    told = [process.communicate(timeout=300)[0] for process in parents]
    assert [process.returncode for process in parents] == [0, 0, 0]
    trained = [int(text.split("trained ")[1].split()[0]) for text in told]
    assert sum(trained) == 2
    assert not list((tmp_path / "store" / "leases").iterdir())
    assert not list((tmp_path / "store" / "locks").iterdir())


def test_sweep_runs_every_job_and_shares_stage_0(base: tuple, tmp_path: Path) -> None:
    common, _, _ = base
    done = harness(*common, *_store(tmp_path), "-m", "seed=0,1", "eval.past=ends", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    frame = read_scores(tmp_path / "results" / "scores.csv").frame()
    assert frame["run"].nunique() == 2
    assert frame["group"].nunique() == 1
    first = frame[frame["stage"] == 0]
    assert first.groupby("benchmark")["eval_key"].nunique().max() == 1
    assert {path.name for path in tmp_path.iterdir()} == {"store", "results"}


def test_plan_prints_work_without_doing_it(base: tuple, tmp_path: Path) -> None:
    common, folder, _ = base
    before = harness("plan", *common, *_store(tmp_path))
    assert before.returncode == 0, before.stderr
    assert "7 nodes, 0 done" in before.stdout
    assert "40 generations to make" in before.stdout
    assert not list((tmp_path / "store").glob("train/*"))
    after = harness("plan", *common, *_store(folder))
    assert "7 nodes, 7 done; to do: 0 tokens to train, 0 generations" in after.stdout


def test_manifest_tells_where_a_node_comes_from(base: tuple) -> None:
    _, folder, outcome = base
    store = Store(folder / "store")
    node = next(node for node in outcome.plan.nodes if node.kind == "train")
    manifest = store.manifest("train", node.key)
    assert manifest["ranks"] == 1
    assert manifest["config"]["train"]["batch_size"] == 8
    assert set(manifest["versions"]) >= {"torch", "deepspeed", "lm_eval"}
    assert "model.safetensors" in manifest["files"]
    report = store.read("train", node.key, "training.json")
    assert report["truncated"] == {"prompt": 0.0, "answer": 0.0}
    assert len(report["steps"]) == 5
