"""Rows that cross the boundaries of a sequence: which, how many, and in whose key they are."""

import json
from collections import Counter
from pathlib import Path

import pytest

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.models.loading import load_prompts
from harness.plan.checks.run import validate
from harness.plan.planner import make_plan
from harness.run.parent import execute
from harness.store.keys import FileHashes
from harness.store.work import TrainWork
from harness.train import training
from harness.train.blur import crossing
from harness.train.job import Part, TrainJob

THREE = ["sequence.tasks=[copy,count,copy]", "sequence.recurrence=true"]


def trained(words: list[str]) -> list[TrainWork]:
    return make_plan(load([*words, "method=seqft"]), FileHashes()).of(TrainWork)


def keys(words: list[str]) -> list[str]:
    return [node.key for node in trained(words)]


def rows_of(words: list[str], stages: list[TrainWork]) -> list[Counter]:
    """What each stage trains on: (task, row) -> how often."""
    config = load([*words, "method=seqft"])
    prompts = load_prompts(config.model, config.model.path)
    found = []
    for node in stages:
        parts = [Part(p.name, Path(p.data.path), p.epochs) for p in node.parts]
        job = TrainJob(
            config, node.stage, node.task, parts, 1e-3, "", [], node.last, node.neighbours
        )
        own, _ = training._training_set(job, prompts)
        found.append(Counter(row.id for row in own.examples))
    return found


def test_shares_are_drawn_once_and_disjoint() -> None:
    back, forward = crossing(0, "copy", 33, 0.2)
    assert len(back) == len(forward) == 6  # 6.6
    assert not set(back) & set(forward)
    assert crossing(0, "copy", 33, 0.2) == (back, forward)
    assert crossing(1, "copy", 33, 0.2) != (back, forward)
    assert crossing(0, "count", 33, 0.2) != (back, forward)
    assert sorted([i for some in crossing(0, "copy", 10, 0.5) for i in some]) == list(range(10))
    assert [len(some) for some in crossing(0, "copy", 10, 0.3)] == [3, 3]  # 0.3 * 10 < 3 in binary


def test_every_row_trains_as_often_as_without(tiny_run: list[str]) -> None:
    sharp = rows_of(tiny_run, trained(tiny_run))
    blurry = rows_of([*tiny_run, "sequence.blur=0.25"], trained([*tiny_run, "sequence.blur=0.25"]))
    assert sum(blurry, Counter()) == sum(sharp, Counter())
    crossed = [Counter(task for task, _ in stage) for stage in blurry]
    assert crossed == [{"copy": 33 - 8, "count": 8}, {"count": 33 - 8, "copy": 8}]


def test_a_stage_in_the_middle_gives_to_both_sides(tiny_run: list[str]) -> None:
    words = [*tiny_run, *THREE, "sequence.blur=0.1"]
    first, middle, last = rows_of(words, trained(words))
    assert Counter(task for task, _ in middle) == {"count": 33 - 6, "copy": 6}
    assert {row for row in first if row[0] == "count"}.isdisjoint(middle)
    assert {row for row in last if row[0] == "count"}.isdisjoint(middle)


def test_keys_hang_on_what_a_stage_trains_on(tiny_run: list[str]) -> None:
    sharp, blurry = keys(tiny_run), keys([*tiny_run, "sequence.blur=0.25"])
    assert not set(sharp) & set(blurry)
    assert keys([*tiny_run, "sequence.blur=0"]) == sharp
    # The first stage of another sequence with the same two at its beginning is the same work.
    words = [*tiny_run, "sequence.blur=0.25"]
    assert keys([*words, *THREE])[0] == blurry[0]
    assert keys([*words, *THREE])[1] != blurry[1]


@pytest.mark.distributed
def test_a_run_trains_on_them(tiny_run: list[str], tmp_path: Path) -> None:
    words = ["method=seqft", "sequence.blur=0.25", "train.max_steps=1", "eval.limit=1"]
    execute(load([*tiny_run, *words]))
    logs = [json.loads(p.read_text()) for p in (tmp_path / "store").glob("train/*/training.json")]
    assert [log["examples"] for log in logs] == [33, 33]
    config = load([*tiny_run, *words, "sequence.tasks=[copy,count]"])
    assert all(n.neighbours.share == 0.25 for n in make_plan(config, FileHashes()).of(TrainWork))


REFUSED = [
    (["sequence.blur=0.6"], r"^sequence\.blur=0\.6: it must be in \[0, 0\.5\]$"),
    (["sequence.blur=-0.1"], r"^sequence\.blur=-0\.1: it must be in "),
    (["sequence.blur=nan"], r"^sequence\.blur=nan: it must be in "),
    (["sequence.blur=0.1", "method=joint"], r"^sequence\.blur=0\.1: method=joint \(joint\) trains"),
    (["sequence.blur=0.1", "method=single"], r"\(single\) trains no task after the other"),
    (["sequence.blur=0.1", "method=icl"], r"\(none\) trains no task after the other"),
    (["sequence.blur=0.1", "method=ties"], r"method=ties merges models of one task each"),
    *(
        (["sequence.blur=0.1", f"method={name}", *more], rf"method\.{name} keeps something of")
        for name, more in (
            ("der", []),
            ("seekr", ["model.attention=eager"]),
            ("fpf", []),
            ("answer_styles", []),
        )
    ),
    (["sequence.recurring=0"], r"^sequence\.recurring=0: it must be 1 or more$"),
    (["sequence.recurring=2", "method=joint"], r"joint training sees every task once"),
]


@pytest.mark.parametrize(("words", "told"), REFUSED)
def test_what_is_refused(words: list[str], told: str, tiny_run: list[str]) -> None:
    with pytest.raises(ConfigError, match=told):
        validate(load([*tiny_run, *words]))


@pytest.mark.distributed
def test_methods_that_look_at_rows_take_those_of_neighbours(tiny_run: list[str]) -> None:
    """What a teacher said is kept by row; memories and Fishers are of what a stage trains on."""
    words = ["method=[replay,lwf,ewc]", "sequence.blur=0.3", "train.max_steps=2", "eval.limit=1"]
    done = execute(load([*tiny_run, *words]))
    assert [len(node.parts) for node in done.plan.of(TrainWork)] == [1, 1]
