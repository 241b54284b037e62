"""Training and scoring side by side: who does what, and how long that takes."""

import time
from dataclasses import replace

import pytest

from harness.cli.display import Display
from harness.config.compose.compose import load
from harness.plan.planner import make_plan
from harness.run.events import Event, watched
from harness.run.launch.crew import local_crew
from harness.run.sides import clock_hours, sides
from harness.store.keys import FileHashes
from harness.store.work import Work


@pytest.fixture
def works(tiny_run: list[str]) -> list[Work]:
    """Two scores of stage 0, the first stage and its score, the second and its two."""
    found = make_plan(load(tiny_run), FileHashes()).nodes
    assert [node.kind[0] for node in found] == [*"eetetee"]
    return found


def test_models_and_scores_go_to_groups_of_their_own(works: list[Work]) -> None:
    crew = local_crew(2)
    training, scoring = sides(works, crew, 1)
    assert [work.kind for work in training.works] == ["train", "train"]
    assert [work.kind for work in scoring.works] == ["eval"] * 5
    assert (training.crew.world, scoring.crew.world) == (2, 1)
    assert training.awaited == []
    assert scoring.awaited == [[work.kind, work.key] for work in training.works]


def test_where_there_is_one_kind_nobody_is_beside(works: list[Work]) -> None:
    """Scores alone are made by all."""
    crew = local_crew(2)
    [all_of_it] = sides(works, crew, 0)
    assert (all_of_it.works, all_of_it.crew.world) == (works, 2)
    [scoring] = sides(works[:2], crew, 1)
    assert (scoring.works, scoring.crew.world, scoring.awaited) == (works[:2], 3, [])
    [training] = sides([works[2]], crew, 1)
    assert (training.works, training.crew.world) == ([works[2]], 2)


def test_hours_on_the_clock(works: list[Work]) -> None:
    """Stages of 4 device hours on two ranks end after 2 and 4. Scores of an hour each on one rank:
    stage 0's at 2, stage 1's at 3, those of stage 2 begin at 4 and end at 6."""
    hours = {work.key: 4.0 if work.kind == "train" else 1.0 for work in works}
    assert clock_hours(works, hours, 2, 0) == (2 * 4 + 5) / 2
    assert clock_hours(works, hours, 2, 1) == 6
    assert clock_hours(works[:2], hours, 2, 1) == pytest.approx(2 / 3)  # on all three


def test_time_left_is_that_of_the_longer_side(
    works: list[Work], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After 100 seconds one of two stages is trained, and one of five evaluations is scored."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    display = Display(beside=True)
    with watched(display, [replace(work, effort=2.0) for work in works]):
        clock[0] = 100.0
        display.follow(Event(works[2].key, 1.0))
        display.follow(Event(works[0].key, 1.0))
    first, second = capsys.readouterr().err.splitlines()
    assert "left 1:40" in first
    assert "left 6:40" in second  # 4 times 100 seconds, not those of training besides
