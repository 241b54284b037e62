"""Content keys: what changes them, what does not, and what runs share."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.compose.compose import load
from harness.config.plain import identity_of
from harness.methods.edits.wise_ft import WiSEFT
from harness.methods.replay import Replay
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes, digest
from harness.store.work import Plan


@pytest.fixture
def plan_of(tiny_run: list[str]):
    def plan(*overrides: str) -> Plan:
        return make_plan(load([*tiny_run, *overrides]), FileHashes())

    return plan


def keys(plan: Plan, kind: str) -> list[str]:
    return [node.key for node in plan.nodes if node.kind == kind]


def test_the_lower_triangle_and_row_0(plan_of) -> None:
    plan = plan_of()
    assert [(cell.stage, cell.benchmark) for cell in plan.cells] == [
        (0, "copy"),
        (0, "count"),
        (1, "copy"),
        (2, "copy"),
        (2, "count"),
    ]
    assert [node.kind for node in plan.nodes] == [
        "eval",
        "eval",
        "train",
        "eval",
        "train",
        "eval",
        "eval",
    ]


@pytest.mark.parametrize(
    ("override", "cells"),
    [
        ("eval.future=next", {(0, "copy"), (0, "count"), (1, "count")}),
        ("eval.future=all", {(0, "copy"), (0, "count"), (1, "count")}),
        ("eval.stage0=false", set()),
    ],
)
def test_other_cells_on_request(plan_of, override: str, cells: set) -> None:
    triangle = {(1, "copy"), (2, "copy"), (2, "count")}
    plan = plan_of(override)
    assert {(cell.stage, cell.benchmark) for cell in plan.cells} == triangle | cells


@pytest.mark.parametrize(
    "override",
    [
        "engine=zero2",
        "engine.ranks=2",
        "train.micro_batch_size=2",
        "train.pack_tokens=300",
        "engine.threads=1",
        "eval.beside=1",
        "eval.past=ends",
    ],
)
def test_where_and_how_fast_changes_no_key(plan_of, override: str) -> None:
    assert set(keys(plan_of(override), "train")) == set(keys(plan_of(), "train"))


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "train.learning_rate=2e-3",
        "train.epochs=2",
        "train.batch_size=4",
        "task.copy.max_prompt_tokens=32",
        "train.schedule=cosine",
        "train.clip=0.5",
    ],
)
def test_what_changes_training_changes_every_later_key(plan_of, override: str) -> None:
    assert not set(keys(plan_of(override), "train")) & set(keys(plan_of(), "train"))


def test_a_change_of_the_second_task_keeps_the_first(plan_of) -> None:
    before, after = keys(plan_of(), "train"), keys(plan_of("task.count.epochs=3"), "train")
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize("suite", ["suite=[]", "suite=[micro_general]"])
def test_the_batch_size_of_generation_changes_no_key(plan_of, suite: str) -> None:
    plans = [plan_of(suite), plan_of(suite, "eval.batch_size=5")]
    assert [n.key for n in plans[0].nodes] == [n.key for n in plans[1].nodes]


def test_micro_batch_size_is_identity_under_its_own_normalisation(plan_of) -> None:
    one = keys(plan_of("train.loss_norm=micro_batch"), "train")
    other = keys(plan_of("train.loss_norm=micro_batch", "train.micro_batch_size=2"), "train")
    assert not set(one) & set(other)


def test_stage_0_scores_are_shared_by_seeds_and_methods(plan_of) -> None:
    plans = [plan_of(), plan_of("seed=1"), plan_of("train.learning_rate=1e-2")]
    stage_0 = [[cell.key for cell in plan.cells if cell.stage == 0] for plan in plans]
    assert stage_0[0] == stage_0[1] == stage_0[2]
    later = [{cell.key for cell in plan.cells if cell.stage > 0} for plan in plans]
    assert not later[0] & later[1]


@pytest.mark.parametrize("change", ["task.copy.scorer=number", "task.copy.version=2"])
def test_a_scorer_changes_scores_but_no_training(plan_of, change: str) -> None:
    assert keys(plan_of(change), "train") == keys(plan_of(), "train")
    assert keys(plan_of(change), "eval") != keys(plan_of(), "eval")


def test_the_version_of_a_strategy_and_of_an_edit_is_part_of_their_keys(
    plan_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited, replayed = "method=[seqft,wise_ft]", "method=replay"
    before = keys(plan_of(edited), "edit"), keys(plan_of(replayed), "train")
    monkeypatch.setattr(WiSEFT, "version", 7)
    monkeypatch.setattr(Replay, "version", 7)
    after = keys(plan_of(edited), "edit"), keys(plan_of(replayed), "train")
    for old, new in zip(before, after, strict=True):
        assert old
        assert not set(old) & set(new)


def test_data_enters_by_content_not_by_place(plan_of, tiny_data: Path, tmp_path: Path) -> None:
    import shutil

    copied = tmp_path / "elsewhere"
    shutil.copytree(tiny_data, copied)
    assert keys(plan_of(f"data.root={copied}"), "train") == keys(plan_of(), "train")
    file = copied / "count" / "train.json"
    file.write_text(file.read_text().replace("red", "bed", 1))
    moved = keys(plan_of(f"data.root={copied}"), "train")
    assert moved[0] == keys(plan_of(), "train")[0]
    assert moved[1] != keys(plan_of(), "train")[1]


def test_seeds_of_one_setting_form_a_group(plan_of) -> None:
    runs = [plan_of().run, plan_of("seed=1").run, plan_of("train.epochs=2").run]
    assert len({run["run"] for run in runs}) == 3
    assert runs[0]["group"] == runs[1]["group"] != runs[2]["group"]


def test_neutral_fields_stay_out_of_the_key() -> None:
    """A field at its default adds nothing, so a key that is added later keeps old stores valid."""
    train = load([]).train
    assert "weight_decay" not in identity_of(train, "train")
    assert identity_of(replace(train, weight_decay=0.1), "train")["weight_decay"] == 0.1


def test_digests_are_stable() -> None:
    """sha256 of the sorted JSON: another value would make every store out there useless."""
    assert digest({"b": 1, "a": [1, "ü", None]}) == "0ed995cca72f666e10f6"


def test_last_steps_are_those_of_the_last_stage_alone(plan_of) -> None:
    whole, short, other = plan_of(), plan_of("train.last_steps=3"), plan_of("train.last_steps=4")
    assert keys(whole, "train")[0] == keys(short, "train")[0] == keys(other, "train")[0]
    assert len({keys(plan, "train")[1] for plan in (whole, short, other)}) == 3
    alone = "sequence.tasks=[count]"
    stopped = keys(plan_of(alone, "train.last_steps=3"), "train")
    assert stopped == keys(plan_of(alone, "train.max_steps=3"), "train")
    first, last = [node.settings.train.max_steps for node in short.nodes if node.kind == "train"]
    assert (first, last) == (None, 3)


def test_a_point_between_stages_is_an_edit_of_the_trained_ones(plan_of) -> None:
    trained, edited = plan_of(), plan_of("method=between", "method.between.alpha=0.25")
    assert keys(edited, "train") == keys(trained, "train")
    [node] = [node for node in edited.nodes if node.kind == "edit"]
    assert [model.key for model in node.tuned] == keys(trained, "train")
    assert {cell.key for cell in trained.cells if cell.stage < 2} == {
        cell.key for cell in edited.cells if cell.stage < 2
    }
