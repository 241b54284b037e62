"""Edits that learn from rows as stages of a run: which rows, what enters keys, the same again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load as load_bytes
from safetensors.torch import load_file
from support.command import refused
from support.raw_files import write_rows

from harness.config.compose.compose import load
from harness.data.rows import read_rows
from harness.plan.planner import make_plan
from harness.run.parent import execute
from harness.store.keys import FileHashes
from harness.store.work import EditWork

METHODS = {
    "fisher": ["method.fisher.samples=4"],
    "regmean": ["method.regmean.samples=4"],
    "adamerging": ["method.adamerging.steps=2", "method.adamerging.learning_rate=0.1"],
    "atlas": ["method.atlas.steps=2"],
}


def edits(overrides: list[str]) -> list[EditWork]:
    return make_plan(load(overrides), FileHashes()).of(EditWork)


@pytest.mark.distributed
@pytest.mark.parametrize("method", METHODS)
def test_a_run_is_edited_and_is_the_same_bytes_again(
    method: str, tiny_run: list[str], tmp_path: Path
) -> None:
    asked = [f"method={method}", *METHODS[method], "train.max_steps=2", "eval.limit=2"]
    (work,) = edits([*tiny_run, *asked])
    split = "train" if method in ("fisher", "regmean") else "eval"
    assert [lesson.name for lesson in work.lessons] == ["copy", "count"]
    assert [Path(lesson.data.path).name for lesson in work.lessons] == [f"{split}.json"] * 2
    folder, made = tmp_path / "store" / "edit" / work.key, []
    for _ in range(2):
        assert execute(load([*tiny_run, *asked])).left_out == []
        made.append((folder / "model.safetensors").read_bytes())
        names = {path.name for path in folder.iterdir()}
        assert not [name for name in names if name.startswith((".", "measured"))]
        told = json.loads((folder / "edit.json").read_text())["told"]
        for kind in ("edit", "eval"):  # a model whose scores are there is not made again
            shutil.rmtree(tmp_path / "store" / kind)
    assert made[0] == made[1]
    assert "rows" in told or set(told["losses"]) == {"first", "last"}
    stages = [
        load_file(tmp_path / "store" / "train" / m.key / "model.safetensors") for m in work.tuned
    ]
    found = load_bytes(made[0])
    assert any(not found[name].equal((a + stages[1][name]) / 2) for name, a in stages[0].items())


@pytest.mark.distributed
def test_models_that_are_adapters_are_measured_as_what_they_make(
    tiny_run: list[str], tmp_path: Path
) -> None:
    asked = ["method=[lora_seqft,regmean]", "method.edit.experts=sequential"]
    config = load(
        [*tiny_run, *asked, "method.regmean.samples=3", "train.max_steps=2", "eval.limit=2"]
    )
    assert execute(config).left_out == []
    (work,) = make_plan(config, FileHashes()).of(EditWork)
    folder = tmp_path / "store" / "edit" / work.key
    assert json.loads((folder / "edit.json").read_text())["told"]["rows"] == {"copy": 3, "count": 3}


@pytest.fixture
def on_a_copy(tiny_run: list[str], tiny_data: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Overrides of a run on data of which some splits are others."""

    def make(method: str, **splits: list[dict[str, str]]) -> list[str]:
        root = tmp_path / f"data{len(list(tmp_path.iterdir()))}"
        shutil.copytree(tiny_data, root)
        for split, rows in splits.items():
            write_rows(root / "count" / f"{split}.json", rows)
        return [*tiny_run, f"method={method}", f"data.root={root}"]

    return make


@pytest.mark.parametrize("method", METHODS)
def test_keys_name_the_rows(
    method: str, on_a_copy: Callable[..., list[str]], tiny_data: Path
) -> None:
    split = "train" if method in ("fisher", "regmean") else "eval"
    rows = [dict(row) for row in read_rows(tiny_data / "count" / f"{split}.json")]
    rows[0]["answer"] = "seven"
    (before,), (after,) = edits(on_a_copy(method)), edits(on_a_copy(method, **{split: rows}))
    assert before.lessons[0] != after.lessons[0] or before.lessons[1].data != after.lessons[1].data
    assert before.key != after.key
    assert (before.tuned == after.tuned) == (split == "eval")
    shorter = edits([*on_a_copy(method), "task.count.max_prompt_tokens=20"])
    assert shorter[0].key != before.key


def test_every_model_learns_from_the_task_it_was_trained_on_last(tiny_run: list[str]) -> None:
    again = ["sequence.tasks=[copy,count,copy]", "sequence.recurrence=true"]
    alone = edits([*tiny_run, "method=fisher", *again])
    assert [[lesson.name for lesson in work.lessons] for work in alone] == [["copy", "count"]]
    stages = edits([*tiny_run, "method=fisher", "method.edit.experts=sequential", *again])
    names = [[lesson.name for lesson in work.lessons] for work in stages]
    assert names == [["copy", "count"], ["copy", "count", "copy"]]


def test_nothing_is_learned_on_test(on_a_copy: Callable[..., list[str]], tiny_data: Path) -> None:
    test = read_rows(tiny_data / "count" / "test.json")
    for method in ("adamerging", "atlas"):
        line = refused(*on_a_copy(method, eval=test))
        assert f"method.{method} learns on eval: every eval prompt of task 'count'" in line
    assert edits(on_a_copy("fisher", eval=test))
