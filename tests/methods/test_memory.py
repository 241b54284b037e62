"""The memory of earlier tasks' rows, and the random streams that its draws come from."""

import random

import pytest

from harness.data.randomness import derive_seed
from harness.errors import ConfigError
from harness.methods import Example, Fill, Memory, RowId, Stage, TaskData

SIZES = {"a": 20, "b": 10, "c": 0}


def data_of(task: str) -> TaskData:
    return TaskData(task, [Example([i], [1], id=RowId(task, i)) for i in range(SIZES[task])])


class History:
    tasks = ("a", "b", "a")

    def load(self, task: str) -> TaskData:
        return data_of(task)


def stage(task: str = "c", seed: int = 0, step: int | None = None) -> Stage:
    made = Stage(task, 4, seed, History(), data_of("c"))
    made.at_step(step)
    return made


def ids(memory: Memory) -> list[tuple[str, int]]:
    return [tuple(row.id) for row in memory.held]


def test_a_share_of_every_task_once() -> None:
    memory = Memory("mine", ratio=0.5)
    memory.collect(stage())
    assert [len(memory.of(task)) for task in memory.tasks] == [10, 5]
    assert memory.tasks == ["a", "b"]
    assert len(set(ids(memory))) == len(memory) == 15
    drawn = random.Random(derive_seed("mine", 0, "a")).sample(range(20), 10)
    assert [row.id.index for row in memory.of("a")] == drawn
    assert [row.id.index for row in memory.in_file_order()[:10]] == sorted(drawn)


def test_it_is_the_same_at_every_stage_and_another_for_another_seed_or_name() -> None:
    def kept(name: str = "mine", **options: object) -> list[tuple[str, int]]:
        memory = Memory(name)
        memory.collect(stage(**options))
        return ids(memory)

    assert kept() == kept(task="d", step=7)
    assert kept() != kept(seed=1)
    assert kept() != kept(name="yours")


@pytest.mark.parametrize("fill", list(Fill))
def test_a_number_of_rows_in_all(fill: Fill) -> None:
    memory = Memory("mine", rows=7, fill=fill)
    memory.collect(stage())
    assert len(memory) == 7
    assert len(set(ids(memory))) == 7
    if fill is Fill.per_task:
        assert [len(memory.of(task)) for task in ("a", "b")] == [4, 3]


def test_draws_are_new_at_every_step_and_never_larger_than_it() -> None:
    memory = Memory("mine", ratio=1.0)
    memory.collect(stage())
    drawn = [[row.id for row in memory.draw(stage(step=step), 6)] for step in (0, 1, 1)]
    assert drawn[1] == drawn[2] != drawn[0]
    assert all(len(set(rows)) == 6 for rows in drawn)
    assert {row.id.task for row in memory.draw(stage(step=0), 6, "b")} == {"b"}
    assert len(memory.draw(stage(step=0), 99, "b")) == 10
    assert Memory("mine").draw(stage(step=0), 6) == []


def test_rows_of_ones_own_choice() -> None:
    memory = Memory("mine")
    memory.keep(data_of("a").examples[-3:])
    assert ids(memory) == [("a", 17), ("a", 18), ("a", 19)]


def test_nothing_is_read_where_nothing_is_kept() -> None:
    class Unread(History):
        def load(self, task: str) -> TaskData:
            raise AssertionError(task)

    for memory in (Memory("mine", ratio=0.0), Memory("mine", rows=0)):
        assert not memory.active
        memory.collect(Stage("c", 4, 0, Unread(), data_of("c")))
        assert len(memory) == 0


def test_out_of_range() -> None:
    with pytest.raises(ConfigError, match=r"ratio=2: it must be in \[0, 1\]"):
        Memory("mine", ratio=2)
    with pytest.raises(ConfigError, match=r"rows=-1: it must be 0 or more"):
        Memory("mine", rows=-1)


def test_streams_are_named_and_depend_on_task_and_step() -> None:
    first = stage("c", step=3)
    assert first.random("x").random() == random.Random(derive_seed("x", 0, "c", 3)).random()
    assert first.random("x", "y").random() != first.random("x").random()
    assert first.run_random("x").random() == stage("d", step=4).run_random("x").random()
    seeds = {s.generator("x").initial_seed() for s in (first, stage("c", step=4), stage("d"))}
    assert len(seeds) == 3


def test_what_is_not_there_yet_says_so() -> None:
    with pytest.raises(RuntimeError, match="no step is under way"):
        stage().step  # noqa: B018
    with pytest.raises(RuntimeError, match="the model does not run yet"):
        stage().view  # noqa: B018


@pytest.mark.parametrize(
    "options", [{"ratio": 0.5}, {"rows": 7}, {"rows": 7, "fill": Fill.reservoir}]
)
def test_what_it_will_hold_at_the_next_stage(options: dict) -> None:
    here = Stage("b", 2, 0, History(), data_of("b"))
    here.history = type("Two", (History,), {"tasks": ("a",)})()
    after = Stage("c", 3, 0, type("Three", (History,), {"tasks": ("a", "b")})(), data_of("c"))
    memory = Memory("mine", **options)
    ahead = [row.id for row in memory.ahead(here)]
    assert len(memory) == 0
    memory.collect(after)
    assert [row.id for row in memory.held] == ahead
    assert {row.task for row in ahead} == {"a", "b"}


def test_draws_of_one_step_are_independent() -> None:
    memory = Memory("mine", ratio=1.0)
    memory.collect(stage())
    here = stage(step=0)
    parts = [[row.id for row in memory.draw(here, 6, part=part)] for part in ("x", "y", "x")]
    assert parts[0] == parts[2] != parts[1]


def test_the_first_rows_of_a_file() -> None:
    memory = Memory("mine", ratio=0.25, head=True)
    memory.collect(stage())
    assert ids(memory) == [*(("a", i) for i in range(5)), ("b", 0), ("b", 1)]
