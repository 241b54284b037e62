"""`plan` says why work is to do again, in one line, where a store has done such work before."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config.compose.compose import load
from harness.plan.again import reasons
from harness.plan.planner import make_plan
from harness.store.store import Store

Told = Callable[..., list[str]]


@pytest.fixture
def told(tiny_run: list[str], tmp_path: Path) -> Told:
    """The lines for what a run would do, after one that is stored; `done` stores it."""
    store = Store(tmp_path / "store")

    def lines(*overrides: str, done: bool = False) -> list[str]:
        works = make_plan(load([*tiny_run, *overrides]), store.hashes).nodes
        to_do = [work for work in works if not store.done(work.kind, work.key)]
        found = reasons(to_do, store)
        for work in to_do if done else ():
            about = {**work.to_json(), "identity": work.content()}
            with store.writing(work.kind, work.key, about) as folder:
                (folder / "result").write_text(work.label)
        return found

    return lines


def test_settings_that_changed_are_named_with_both_values(told: Told) -> None:
    assert told(done=True) == []
    assert told() == []
    lines = told("train.learning_rate=3e-3", "train.clip=0.5")
    changed = "train.clip 1.0 -> 0.5; train.learning_rate 0.001 -> 0.003"
    assert lines == [f"train copy again: {changed}", f"train count again: {changed}"]
    assert told("task.count.epochs=3") == ["train count again: epochs 1 -> 3"]
    assert told("task.count.version=2") == ["score count again: benchmark.version 1 -> 2"]
    assert told("eval.limit=3")[0] == "score copy again: limit null -> 3"


def test_demonstrations_that_changed_are_named_in_one_line(told: Told) -> None:
    told("method=icl", done=True)
    lines = told("method=icl", "method.prompting.seed=1")
    assert lines == [f"score {task} again: shown.rows changed" for task in ("copy", "count")]


def test_data_that_changed_is_named(told: Told, tiny_data: Path, tmp_path: Path) -> None:
    import shutil

    data = shutil.copytree(tiny_data, tmp_path / "copied")
    told(f"data.root={data}", done=True)
    file = data / "count" / "train.json"
    file.write_text(file.read_text().replace("red", "bed", 1))
    assert told(f"data.root={data}") == ["train count again: data changed"]


def test_another_run_is_not_the_same_work_again(told: Told) -> None:
    told(done=True)
    for other in ("seed=1", "method=replay", "method=lora_seqft"):
        assert told(other) == [], other
    told("method=replay", done=True)
    changed = "method.replay.ratio its default -> 0.5"
    lines = [f"train copy again: {changed}", f"train count again: {changed}"]
    assert told("method=replay", "method.ratio=0.5") == lines


def test_a_node_whose_files_changed_is_named(told: Told, tmp_path: Path) -> None:
    told(done=True)
    for result in (tmp_path / "store" / "eval").glob("*/result"):
        result.write_text(result.read_text() + "!")
    assert told() == [
        f"score {task} again: files of its node are lost or changed" for task in ("copy", "count")
    ]


def test_a_damaged_manifest_is_work_to_do_and_nothing_to_compare_with(
    told: Told, tmp_path: Path
) -> None:
    told(done=True)
    for manifest in (tmp_path / "store" / "eval").glob("*/manifest.json"):
        manifest.write_text("{")
    assert told() == [
        f"score {task} again: files of its node are lost or changed" for task in ("copy", "count")
    ]
    assert told("eval.limit=1") == []


def test_code_of_ones_own_that_changed_is_named(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "mymod.py"
    code.write_text("def mine(doc, prediction):\n    return {'accuracy': 1.0}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    told("task.copy.scorer=mymod.mine", "code.allow=[mymod]", done=True)
    code.write_text("def mine(doc, prediction):\n    return {'accuracy': 0.0}\n")
    monkeypatch.delitem(sys.modules, "mymod")
    lines = told("task.copy.scorer=mymod.mine", "code.allow=[mymod]")
    assert lines == ["score copy again: scorer mymod.mine changed (its source)"]
