"""Steps as they happen, on a clock of the test's own; and how often strategies are asked."""

import time
from types import SimpleNamespace

import pytest

from harness.methods.base import Strategy
from harness.train.figures import Figures
from harness.train.live import Live

ABOUT = {"stage": 1, "task": "copy", "total": 9}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_steps_are_told_some_at_a_time_and_each_once(clock: list[float]) -> None:
    """Every 0.2 s a step: the third is told with those before it, the fourth at the end."""
    heard: list[list[dict]] = []
    live = Live(lambda steps: heard.append([*steps]), ABOUT)
    live.begin([])
    for number in (1, 2, 3, 4):
        clock[0] += 0.2
        live.note({"step": number, "loss": 1.0}, tokens=30)
    live.flush()
    live.flush()
    assert [[step["step"] for step in steps] for steps in heard] == [[1, 2, 3], [4]]
    assert heard[0][0] == ABOUT | {
        "step": 1, "loss": 1.0, "tokens": 30, "seconds": 0.2,
        "tokens_per_second": pytest.approx(150.0),
    }  # fmt: skip


def test_what_was_done_before_comes_first_without_a_pace(clock: list[float]) -> None:
    heard: list[dict] = []
    live = Live(heard.extend, ABOUT)
    clock[0] += 60  # the model loads
    live.begin([{"step": 1}, {"step": 2}])
    clock[0] += 1
    live.note({"step": 3}, tokens=10)
    live.flush()
    assert [step["step"] for step in heard] == [1, 2, 3]
    assert [step.get("tokens_per_second") for step in heard] == [None, None, 10.0]


def test_a_full_disk_stops_no_training() -> None:
    def full(steps: object) -> None:
        raise OSError(28, "No space left on device")

    live = Live(full, ABOUT)
    live.note({"step": 1}, tokens=1)
    live.flush()


class Telling(Strategy):
    def figures(self, stage: object) -> dict[str, float]:
        return {"size": 2.0, "broken": float("nan")}


@pytest.mark.parametrize(
    ("every", "asked"), [(3, [1, 3, 6, 8]), (10, [1, 8]), (1, [*range(1, 9)]), (0, [])]
)
def test_figures_at_the_first_step_at_some_and_at_the_last(every: int, asked: list[int]) -> None:
    figures = Figures([Strategy(), Telling()], every)
    told = {step + 1: figures.of(SimpleNamespace(step=step, total=8)) for step in range(8)}
    assert [number for number, found in told.items() if found] == asked
    assert all(found == {"figures": {"Telling.size": 2.0}} for found in told.values() if found)


def test_nobody_is_asked_who_has_none() -> None:
    assert Figures([Strategy()], 1).of(SimpleNamespace(step=0, total=1)) == {}
