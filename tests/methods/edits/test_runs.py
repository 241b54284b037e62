"""Edits as stages of a run: nothing is trained again, every stage is edited from those before."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.command import refused
from support.raw_files import write_rows

from harness.config.compose.compose import load
from harness.plan.planner import make_plan
from harness.results.schema import read_scores
from harness.run.parent import Outcome, execute
from harness.store.keys import FileHashes
from harness.store.work import EditWork

pytestmark = pytest.mark.distributed


@pytest.fixture
def run_of(tiny_run: list[str]):
    def run(*overrides: str) -> Outcome:
        return execute(load([*tiny_run, "train.max_steps=3", "eval.limit=4", *overrides]))

    return run


def nodes(outcome: Outcome, kind: str) -> list:
    return [node for node in outcome.plan.nodes if node.kind == kind]


def weights(store: Path, node) -> dict[str, torch.Tensor]:
    return load_file(store / node.kind / node.key / "model.safetensors")


def cells(outcome: Outcome) -> list[tuple[int, str]]:
    frame = read_scores(outcome.table).frame()
    mine = frame[(frame["run"] == outcome.plan.run["run"]) & (frame["suite"] == "target")]
    return sorted(set(zip(mine["stage"], mine["benchmark"], strict=True)))


TRIANGLE = [(0, "copy"), (0, "count"), (1, "copy"), (2, "copy"), (2, "count")]


def test_a_finished_run_is_edited_without_a_training_step(
    run_of, tiny_model: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    seqft = run_of("method=seqft")
    base = load_file(tiny_model / "model.safetensors")
    for method in ("wise_ft", "lines"):
        edited = run_of(f"method=[seqft,{method}]")
        assert edited.trained == 0
        assert edited.plan.run["method"] == f"seqft+{method}"
        assert cells(edited) == TRIANGLE
        assert len(nodes(edited, "edit")) == 2
    half = run_of("method=[seqft,wise_ft]")
    for before, after in zip(nodes(seqft, "train"), nodes(half, "edit"), strict=True):
        tuned, made = weights(store, before), weights(store, after)
        for name, value in made.items():
            wanted = base[name] + 0.5 * (tuned[name] - base[name])
            assert torch.allclose(value, wanted, atol=1e-7)
    whole = run_of("method=[seqft,wise_ft]", "method.wise_ft.alpha=1")
    frame = read_scores(whole.table).frame()
    frame = frame[frame["suite"] == "target"].set_index(["stage", "benchmark", "metric"])
    scores = {run: rows["value"].to_dict() for run, rows in frame.groupby("run")}
    assert scores[whole.plan.run["run"]] == scores[seqft.plan.run["run"]]


def test_merges_take_models_of_single_tasks(run_of, tiny_model: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    single = run_of("method=single")
    merged = run_of("method=task_arithmetic", "method.task_arithmetic.scale=0.7")
    assert merged.trained == 0
    assert cells(merged) == TRIANGLE
    base = load_file(tiny_model / "model.safetensors")
    experts = [weights(store, node) for node in nodes(single, "train")]
    # One expert is its own merge: stage 1 is the model of the first task alone.
    [edit] = nodes(merged, "edit")
    assert edit.stage == 2
    assert {c.key for c in merged.plan.cells if c.stage == 1} == {
        c.key for c in single.plan.cells if c.stage == 1
    }
    last = weights(store, edit)
    for name, value in last.items():
        wanted = base[name] + 0.7 * sum(expert[name] - base[name] for expert in experts)
        assert torch.allclose(value, wanted, atol=1e-6)
    final = run_of("method=ties", "method.edit.at=final")
    assert final.trained == 0
    assert cells(final) == [(0, "copy"), (0, "count"), (2, "copy"), (2, "count")]
    assert final.plan.run["schedule"] == "joint"


def test_stages_of_the_sequence_may_be_merged_too(run_of, tmp_path: Path) -> None:
    run_of("method=seqft")
    merged = run_of("method=soup", "method.edit.experts=sequential")
    assert merged.trained == 0
    [node] = nodes(merged, "edit")
    store = tmp_path / "store"
    stages = [weights(store, other) for other in nodes(merged, "train")]
    for name, value in weights(store, node).items():
        assert torch.allclose(value, (stages[0][name] + stages[1][name]) / 2, atol=1e-7)


def test_a_task_that_is_visited_again_is_merged_once(tiny_run: list[str]) -> None:
    again = ["sequence.tasks=[copy,count,copy]", "sequence.recurrence=true"]
    plan = make_plan(load([*tiny_run, "method=soup", *again]), FileHashes())
    experts = [node.tuned for node in plan.of(EditWork)]
    assert [len(models) for models in experts] == [2]  # stage 3 adds no expert to those of stage 2


def test_edits_follow_any_method_and_each_other(run_of, tmp_path: Path) -> None:
    outcome = run_of("method=[sfa,lines,wise_ft]", "method.lines.alpha=1", "method.wise_ft.alpha=1")
    assert [node.label for node in nodes(outcome, "edit")] == [
        "lines after copy",
        "wise_ft after copy",
        "lines after count",
        "wise_ft after count",
    ]
    store = tmp_path / "store"
    trained = weights(store, nodes(outcome, "train")[-1])
    made = weights(store, nodes(outcome, "edit")[-1])
    assert all(torch.equal(trained[name], value) for name, value in made.items())


def test_adapters_are_edited_as_the_change_they_make(run_of, tmp_path: Path) -> None:
    outcome = run_of("method=[lora_seqft,wise_ft]")
    folder = tmp_path / "store" / "edit" / nodes(outcome, "edit")[0].key
    assert (folder / "model.safetensors").is_file()
    record = json.loads((folder / "edit.json").read_text())
    assert record["edit"]["class"] == "wise_ft"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=[seqft,wise_ft]", "method.wise_ft.alpha=2"], "method.wise_ft.alpha=2"),
        (["method=[seqft,wise_ft]", "+method.wise_ft.beta=1"], "has no such parameter"),
        (["method=[single,lines]"], "edits follow the stages of a sequence"),
        (["method=lines_ties", "~method.lines.beta"], "beta: missing"),
    ],
)
def test_refusals(overrides: list[str], told: str, tiny_run: list[str]) -> None:
    assert told in refused(*tiny_run, *overrides)


def test_a_greedy_soup_chooses_on_the_eval_splits(run_of, tmp_path: Path) -> None:
    """The experts and what was tried are told with their scores; the mean of those kept is made."""
    store = tmp_path / "store"
    singles = nodes(run_of("method=single"), "train")
    (made,) = nodes(run_of("method=greedy_soup"), "edit")
    assert [Path(item.data.path).name for item in made.validation] == ["eval.json"] * 2
    record = json.loads((store / "edit" / made.key / "edit.json").read_text())
    alone = record["told"]["scores alone"]
    assert set(alone) == {str(store / "train" / node.key) for node in singles}
    assert all(0 <= score <= 1 for score in alone.values())
    assert record["told"]["steps"][0]["score"] == max(alone.values())
    kept = [load_file(Path(folder) / "model.safetensors") for folder in record["tuned"]]
    for name, value in weights(store, made).items():
        wanted = sum(part[name] for part in kept) / len(kept)
        assert torch.allclose(value, wanted, atol=1e-6)


def test_a_greedy_soup_does_not_choose_on_test(tiny_run: list[str], tmp_path: Path) -> None:
    root = tmp_path / "leak"
    for task in ("copy", "count"):
        rows = [{"prompt": f"{task} {i}", "answer": "x"} for i in range(4)]
        for split in ("train", "eval", "test"):
            write_rows(root / task / f"{split}.json", rows)
    line = refused(*tiny_run, "method=greedy_soup", f"data.root={root}")
    assert "method.greedy_soup chooses models on eval: every eval prompt of task 'copy'" in line
