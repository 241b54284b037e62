"""Schedules beside the sequence: one model per task, one on all tasks, stages from elsewhere."""

import json
import shutil
from pathlib import Path

import pytest
from pandas import DataFrame
from safetensors.torch import load_file, save_file
from support.command import harness, refused

from harness.config.compose.compose import load
from harness.plan.planner import make_plan
from harness.results.schema import read_scores
from harness.run.parent import Outcome, execute
from harness.store.keys import FileHashes
from harness.store.work import TrainWork

pytestmark = pytest.mark.distributed
FAST = ("train.max_steps=3", "eval.limit=4")


@pytest.fixture
def run_of(tiny_run: list[str]):
    def run(*overrides: str) -> Outcome:
        return execute(load([*tiny_run, *FAST, *overrides]))

    return run


def scores(outcome: Outcome) -> DataFrame:
    frame = read_scores(outcome.table).frame()
    return frame[frame["suite"] == "target"]


def cells(outcome: Outcome) -> set[tuple[int, str]]:
    frame = scores(outcome)
    mine = frame[frame["run"] == outcome.plan.run["run"]]
    return set(zip(mine["stage"], mine["benchmark"], strict=True))


def nodes(outcome: Outcome, kind: str) -> list:
    return [node for node in outcome.plan.nodes if node.kind == kind]


START = {(0, "copy"), (0, "count")}


def test_single_trains_each_task_from_the_initial_model(run_of, tmp_path: Path) -> None:
    sequence = run_of("method=seqft")
    single = run_of("method=single")
    assert cells(single) == START | {(1, "copy"), (2, "count")}
    # The first task alone is the first stage of the sequence; the second is new.
    assert (single.trained, single.scored) == (1, 1)
    assert nodes(single, "train")[0].key == nodes(sequence, "train")[0].key
    # Alone, a task does not depend on its place in the order.
    reversed_order = run_of("method=single", "sequence.order=reversed")
    assert reversed_order.trained == 0
    second = nodes(single, "train")[1]
    manifest = json.loads((tmp_path / "store/train" / second.key / "manifest.json").read_text())
    assert manifest["model"]["kind"] == "folder"


def test_joint_sees_every_row_as_often_as_the_sequence(run_of, tmp_path: Path) -> None:
    joint = run_of("method=joint", "+train.task_epochs.copy=2", "train.max_steps=null")
    assert cells(joint) == START | {(2, "copy"), (2, "count")}
    node = nodes(joint, "train")[0]
    log = json.loads((tmp_path / "store/train" / node.key / "training.json").read_text())
    assert log["examples"] == 2 * 33 + 33
    assert len(log["steps"]) == 13  # 99 rows in batches of 8
    told = json.loads(harness("metrics", str(joint.table), "--json").stdout)
    frame = read_scores(joint.table).frame()
    last = frame[(frame["stage"] == 2) & frame["headline"]]["value"]
    assert told["op"] == pytest.approx(last.mean())
    assert told["bwt"] is None


def test_epoch_tables_belong_to_tasks_not_places(tiny_run: list[str]) -> None:
    tables = ["+train.task_epochs.copy=3", "+train.adapter_task_epochs.count=5"]

    def epochs(*overrides: str) -> dict[str, int]:
        plan = make_plan(load([*tiny_run, *tables, *overrides]), FileHashes())
        parts = [part for node in plan.of(TrainWork) for part in node.parts]
        return {part.name: part.epochs for part in parts}

    assert epochs() == {"copy": 3, "count": 1}
    assert epochs("sequence.order=reversed") == {"copy": 3, "count": 1}
    assert epochs("method=lora_seqft") == {"copy": 3, "count": 5}
    assert epochs("train.epochs=2") == {"copy": 2, "count": 2}


def test_checkpoints_from_elsewhere_score_as_their_own_run_did(
    run_of, tiny_run: list[str], tmp_path: Path
) -> None:
    for method in ("seqft", "lora_seqft"):
        own = run_of(f"method={method}")
        folders = []
        for number, node in enumerate(nodes(own, "train")):
            folder = tmp_path / "elsewhere" / method / str(number)
            shutil.copytree(tmp_path / "store/train" / node.key, folder)
            for name in ("tokenizer.json", "tokenizer_config.json", "manifest.json"):
                (folder / name).unlink()
            folders.append(str(folder))
        there = f"method.checkpoints=[{','.join(folders)}]"
        foreign = run_of("method=foreign", there, f"method.name=theirs_{method}")
        assert foreign.trained == 0
        frame = scores(foreign).set_index(["run", "stage", "benchmark", "metric"])
        mine = frame.loc[own.plan.run["run"]]["value"]
        theirs = frame.loc[foreign.plan.run["run"]]["value"]
        assert mine.to_dict() == theirs.to_dict()
    done = harness("eval", *tiny_run, *FAST, f"checkpoints=[{','.join(folders)}]")
    assert done.returncode == 0, done.stderr
    assert "trained 0 stages" in done.stdout


def test_weights_that_are_missing_are_not_drawn_at_random(
    tiny_run: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "lacking")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.0.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    done = harness("eval", *tiny_run, *FAST, f"checkpoints=[{tiny_model},{folder}]")
    assert done.returncode == 1
    assert "its files lack the weight model.layers.0.mlp.up_proj.weight" in done.stderr


def test_refusals(tiny_run: list[str], tiny_model: Path, tmp_path: Path) -> None:
    line = refused("eval", *tiny_run, f"checkpoints=[{tiny_model}]")
    assert "1 folders for 2 tasks" in line
    line = refused("eval", *tiny_run, f"checkpoints=[{tiny_model},/nowhere]")
    assert "/nowhere holds neither config.json nor adapter_config.json" in line
    line = refused("eval", *tiny_run)
    assert "checkpoints=[a,b,...]" in line
    cut = shutil.copytree(tiny_model, tmp_path / "cut") / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-10])
    line = refused("eval", *tiny_run, f"checkpoints=[{tiny_model},{cut.parent}]")
    assert f"{cut} is cut off" in line
    line = refused(*tiny_run, "method=joint", "task.copy.learning_rate=1e-3")
    assert "joint training has one rate" in line
