"""LiNeS that chooses its alpha in the plane of target and control scores."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.command import refused

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods.edits.apply import apply_edit
from harness.methods.edits.lines import LiNeS
from harness.plan.planner import make_plan
from harness.run.parent import execute
from harness.store.keys import FileHashes
from harness.store.work import EditWork


def chosen(edit: LiNeS, scores: dict[float, list[float]]) -> dict:
    """What an edit tells whose models score like this at each alpha, the task at hand last."""

    @contextmanager
    def trial(models: list[Path]) -> Iterator[Path]:
        yield Path(str(edit.alpha))

    edit.score_by(lambda folder: scores[float(folder.name)])
    models, told = edit.select([Path("tuned")], trial)
    assert models == [Path("tuned")]
    return told


def test_twice_the_target_and_the_control_decide() -> None:
    scores = {0.0: [0.9, 0.7, 0.1], 0.5: [0.6, 0.4, 0.5], 1.0: [0.2, 0.0, 0.6]}
    edit = LiNeS(alphas=[1.0, 0.0, 0.5])
    plane = chosen(edit, scores)["plane"]
    # 2 * 0.1 + 0.8, 2 * 0.5 + 0.5, 2 * 0.6 + 0.1
    assert [one["score"] for one in plane] == pytest.approx([1.0, 1.5, 1.3])
    assert [one["control"] for one in plane] == pytest.approx([0.8, 0.5, 0.1])
    assert edit.alpha == 0.5
    target = LiNeS(alphas=[0.0, 0.5, 1.0], target_weight=10)
    chosen(target, scores)
    assert target.alpha == 1.0


def test_of_equals_the_one_that_changes_least_is_taken_and_a_first_task_has_no_control() -> None:
    edit = LiNeS(alphas=[0.0, 0.5, 1.0])
    plane = chosen(edit, {0.0: [0.1], 0.5: [0.4], 1.0: [0.4]})["plane"]
    assert [one["control"] for one in plane] == [0.0, 0.0, 0.0]
    assert edit.alpha == 1.0


@pytest.mark.distributed
def test_a_run_takes_what_it_tells(tiny_run: list[str], tiny_model: Path, tmp_path: Path) -> None:
    asked = ["method=[seqft,lines_choice]", "method.lines.alphas=[0.0,1.0]", "eval.limit=2"]
    config = load([*tiny_run, *asked, "train.max_steps=2"])
    assert execute(config).left_out == []
    first, second = make_plan(config, FileHashes()).of(EditWork)
    assert [one.benchmark.name for one in first.validation] == ["copy"]
    assert [one.benchmark.name for one in second.validation] == ["copy", "count"]
    store = tmp_path / "store"
    told = json.loads((store / "edit" / second.key / "edit.json").read_text())["told"]
    assert [one["alpha"] for one in told["plane"]] == [0.0, 1.0]
    best = max(told["plane"], key=lambda one: (one["score"], one["alpha"]))
    assert told["alpha"] == best["alpha"]
    base = load_file(tiny_model / "model.safetensors")
    tuned = load_file(store / "train" / second.tuned[0].key / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    found = load_file(store / "edit" / second.key / "model.safetensors")[name]
    assert torch.equal(found, (tuned if best["alpha"] else base)[name])


def test_the_task_at_hand_comes_last_when_it_comes_again(tiny_run: list[str]) -> None:
    again = ["sequence.tasks=[copy,count,copy]", "sequence.recurrence=true"]
    plan = make_plan(load([*tiny_run, "method=[seqft,lines_choice]", *again]), FileHashes())
    names = [[one.benchmark.name for one in work.validation] for work in plan.of(EditWork)]
    assert names == [["copy"], ["copy", "count"], ["count", "copy"]]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"alphas": [0.5, 2.0]}, "alphas=2.0: it must be in [0, 1]"),
        ({"alphas": []}, "alphas=[]: a list of one or more in the place of alpha"),
        ({"alphas": [0.5], "alpha": 0.5}, "a list of one or more in the place of alpha"),
        ({"alphas": [0.5], "target_weight": -1.0}, "target_weight=-1.0: it must be 0 or more"),
        (
            {"alphas": [0.5], "beta": 0.5, "merge_with": {"_target_": "ties"}},
            "in the place of alpha, for one tuned model",
        ),
    ],
)
def test_wrong_alphas(wrong: dict, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LiNeS(**wrong)
    assert told in str(caught.value)


def test_folders_have_nothing_to_choose_by(
    tiny_model: Path, tuned: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="alphas: folders have no eval split to choose by"):
        apply_edit(LiNeS(alphas=[0.5]), tiny_model, tuned[:1], tmp_path / "out")


def test_nothing_is_chosen_on_test(tiny_run: list[str], tiny_data: Path, tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "data"
    shutil.copytree(tiny_data, root)
    shutil.copyfile(root / "count" / "test.json", root / "count" / "eval.json")
    line = refused(*tiny_run, "method=[seqft,lines_choice]", f"data.root={root}")
    assert "method.lines chooses models on eval: every eval prompt of task 'count'" in line
