"""Replay: which rows come back, what enters the key, and that ratio 0 is sequential fine-tuning."""

import json
from pathlib import Path

import pytest
from support.raw_files import write_rows

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods import Example, Fill, Phase, RowId, Stage, Strategy, TaskData
from harness.methods.loading import load_strategies
from harness.methods.replay import Replay
from harness.methods.replay_pass import ReplayPass
from harness.plan.checks.run import validate
from harness.plan.planner import make_plan
from harness.run.parent import execute
from harness.store.keys import FileHashes


def rows(name: str, count: int, base: int) -> TaskData:
    return TaskData(name, [Example([base + i], [1], id=RowId(name, i)) for i in range(count)])


class History:
    """Two earlier tasks of 20 and 10 rows."""

    tasks = ("a", "b")

    def load(self, task: str) -> TaskData:
        return {"a": rows("a", 20, 100), "b": rows("b", 10, 200)}[task]

    def load_file(self, path: str) -> TaskData:
        return rows(path, 4, 300)


def phases_of(strategy: Strategy, own: TaskData, history: History, seed: int = 0) -> list[Phase]:
    stage = Stage("c", len(history.tasks) + 1, seed, history, own)
    return strategy.data(stage, [Phase(own, 1)])


def replayed(strategy: Replay, seed: int = 0) -> list[int]:
    (phase,) = phases_of(strategy, rows("c", 5, 0), History(), seed)
    return [example.prompt_ids[0] for example in phase.data.examples]


def test_own_rows_stay_and_a_part_of_each_earlier_task_joins() -> None:
    found = replayed(Replay(ratio=0.5))
    assert found[:5] == [0, 1, 2, 3, 4]
    assert sum(100 <= row < 200 for row in found) == 10
    assert sum(200 <= row < 300 for row in found) == 5
    assert len(set(found)) == len(found)


def test_the_sample_is_fixed_by_the_seed() -> None:
    assert replayed(Replay(ratio=0.5)) == replayed(Replay(ratio=0.5))
    assert replayed(Replay(ratio=0.5)) != replayed(Replay(ratio=0.5), seed=1)


def test_ratio_0_draws_nothing_and_1_everything() -> None:
    assert replayed(Replay(ratio=0.0)) == [0, 1, 2, 3, 4]
    assert len(replayed(Replay(ratio=1.0))) == 35


def test_an_extra_set_joins_whole_or_in_part() -> None:
    assert sum(row >= 300 for row in replayed(Replay(ratio=0.0, extra="x"))) == 4
    assert sum(row >= 300 for row in replayed(Replay(ratio=0.0, extra="x", extra_ratio=0.5))) == 2


def test_a_buffer_is_shared_by_the_earlier_tasks() -> None:
    found = replayed(Replay(buffer=7))[5:]
    assert [sum(100 <= row < 200 for row in found), sum(row >= 200 for row in found)] == [4, 3]
    alone = History()
    alone.tasks = ("a",)
    (phase,) = phases_of(Replay(buffer=7), rows("b", 1, 0), alone)
    before = {example.prompt_ids[0] for example in phase.data.examples[1:]}
    assert len(before) == 7
    assert {row for row in found if row < 200} < before  # rows only leave


def test_a_buffer_larger_than_the_tasks_holds_them_whole() -> None:
    assert len(replayed(Replay(buffer=1000))) == 35
    assert len(replayed(Replay(buffer=1000, fill=Fill.reservoir))) == 35


@pytest.mark.parametrize("fill", list(Fill))
def test_a_buffer_of_0_draws_nothing(fill: Fill) -> None:
    assert replayed(Replay(buffer=0, fill=fill)) == [0, 1, 2, 3, 4]
    assert Replay(buffer=0, fill=fill).key_inputs(["a"]).tasks == ()


def test_a_reservoir_holds_every_row_with_equal_chance() -> None:
    counts = dict.fromkeys([*range(100, 120), *range(200, 210)], 0)
    for seed in range(2000):
        found = replayed(Replay(buffer=6, fill=Fill.reservoir), seed)[5:]
        assert len(set(found)) == 6
        for row in found:
            counts[row] += 1
    expected = 2000 * 6 / 30
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square * 29 / 30 / (1 - 6 / 30) < 56  # 99.8 % point at 29 degrees of freedom


def test_a_reservoir_goes_on_from_what_it_held() -> None:
    alone = History()
    alone.tasks = ("a",)
    (phase,) = phases_of(Replay(buffer=6, fill=Fill.reservoir), rows("b", 1, 0), alone)
    before = {example.prompt_ids[0] for example in phase.data.examples[1:]}
    after = set(replayed(Replay(buffer=6, fill=Fill.reservoir))[5:])
    assert {row for row in after if row < 200} <= before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("buffer=-1", r"method.replay.buffer=-1: it must be 0 or more"),
        ("fill=fifo", r"method.replay.fill: .*'fifo'.*\[per_task, reservoir\]"),
        ("fill=reservoir", r"method.replay.fill=reservoir: it fills a buffer; set buffer"),
    ],
)
def test_a_wrong_buffer_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_strategies(load(["method=replay", f"++method.replay.{override}"]).method)


@pytest.mark.parametrize("ratio", [-0.1, 1.5])
def test_a_ratio_outside_its_range_is_refused(ratio: float) -> None:
    with pytest.raises(ConfigError, match=r"ratio=.*: it must be in \[0, 1\]"):
        Replay(ratio=ratio)


def test_a_missing_extra_set_is_refused(tmp_path: Path) -> None:
    config = load(["method=replay", f"method.extra={tmp_path / 'lima.json'}"])
    with pytest.raises(ConfigError, match=r"method.replay: the data file .*lima.json"):
        validate(config)


def test_replayed_data_enters_the_key_of_later_stages_only(
    tiny_run: list[str], tiny_data: Path, tmp_path: Path
) -> None:
    import shutil

    copied = tmp_path / "data"
    shutil.copytree(tiny_data, copied)

    def keys() -> list[str]:
        config = load([*tiny_run, "method=replay", f"data.root={copied}"])
        plan = make_plan(config, FileHashes())
        return [node.key for node in plan.nodes if node.kind == "train"]

    before = keys()
    extra = tmp_path / "extra.json"
    write_rows(extra, [{"prompt": "a", "answer": "b"}])
    config = load([*tiny_run, "method=replay", f"data.root={copied}", f"method.extra={extra}"])
    with_extra = [n.key for n in make_plan(config, FileHashes()).nodes if n.kind == "train"]
    assert not set(before) & set(with_extra)
    moved = extra.rename(tmp_path / "moved.json")
    config.method.strategies["replay"]["extra"] = str(moved)
    again = [n.key for n in make_plan(config, FileHashes()).nodes if n.kind == "train"]
    assert again == with_extra  # content counts, not the place


@pytest.mark.distributed
def test_ratio_0_is_sequential_fine_tuning_byte_for_byte(
    tiny_run: list[str], tmp_path: Path
) -> None:
    rules = ["eval.past=ends", "eval.stage0=false", "eval.limit=1"]
    weights = []
    for method in (["method=seqft"], ["method=replay", "method.ratio=0"]):
        plan = execute(load([*tiny_run, *rules, *method])).plan
        last = [node for node in plan.nodes if node.kind == "train"][-1]
        weights.append((tmp_path / "store/train" / last.key / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def passed(strategy: ReplayPass, history: History) -> list[int]:
    own, *phases = phases_of(strategy, rows("c", 5, 0), history)
    assert [example.prompt_ids[0] for example in own.data.examples] == [0, 1, 2, 3, 4]
    assert len(phases) <= 1
    return [example.prompt_ids[0] for phase in phases for example in phase.data.examples]


def test_the_separate_pass_takes_heads_and_the_whole_extra_set() -> None:
    found = passed(ReplayPass(ratio=0.25, extra="x"), History())
    assert found == [100, 101, 102, 103, 104, 200, 201, 300, 301, 302, 303]


def test_the_first_task_replays_the_extra_set_alone() -> None:
    first = History()
    first.tasks = ()
    assert passed(ReplayPass(extra="x"), first) == [300, 301, 302, 303]
    assert passed(ReplayPass(), first) == []


@pytest.mark.distributed
def test_the_separate_pass_follows_the_tasks_own_epochs(
    tiny_run: list[str], tmp_path: Path
) -> None:
    write_rows(tmp_path / "lima.json", [{"prompt": "Say it.", "answer": "it " * 20}] * 9)
    extra = f"method.replay_pass.extra={tmp_path / 'lima.json'}"
    outcome = execute(load([*tiny_run, "method=replay_trace", extra, "eval.limit=2"]))
    logs = [
        json.loads((tmp_path / "store/train" / node.key / "training.json").read_text())
        for node in outcome.plan.nodes
        if node.kind == "train"
    ]
    # 33 rows in batches of 8: 5 steps; then 9 extra rows, and with them 3 of the first task's.
    assert [len(log["steps"]) for log in logs] == [5 + 2, 5 + 2]
