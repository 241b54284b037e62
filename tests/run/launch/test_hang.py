"""How long a silence is too long, by what ranks have shown before; no clock is waited for."""

from pathlib import Path

import pytest

from harness.run.launch import hang
from harness.run.launch.hang import HangWatch
from harness.store import pulse
from harness.store.pulse import beat, pulse_file, show_life


class Clock:
    """A time of day that only moves when it is told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(hang, "time", clock)
    monkeypatch.setattr(pulse, "time", clock)
    monkeypatch.setattr(pulse, "_PULSE", pulse._Pulse())
    return clock


def hung_after(watch: HangWatch, clock: Clock) -> float:
    """Seconds of silence until the ranks are taken to have hung."""
    for second in range(1, 100_000):
        clock.now += 1
        if watch.failure():
            return second - 1
    raise AssertionError


def test_the_longest_silence_says_how_long_the_next_may_be(tmp_path: Path, clock: Clock) -> None:
    watch = HangWatch(tmp_path, 2, None)
    show_life(pulse_file(tmp_path, 1))
    for _ in range(3):
        clock.now += 2
        beat()
        assert watch.failure() is None
    for _ in range(150):  # one step takes two and a half minutes
        clock.now += 1
        assert watch.failure() is None
    beat()
    assert watch.failure() is None
    assert hung_after(watch, clock) == pytest.approx(1500, abs=60)


def test_a_model_that_loads_for_long_says_nothing_of_steps(tmp_path: Path, clock: Clock) -> None:
    watch = HangWatch(tmp_path, 1, None)
    show_life(pulse_file(tmp_path, 0))  # patient: what follows may take long
    for _ in range(1000):
        clock.now += 1
        assert watch.failure() is None
    beat()
    clock.now += 6
    assert watch.failure() is None
    assert hung_after(watch, clock) == pytest.approx(600, abs=12)


@pytest.mark.parametrize(
    ("minutes", "shown", "patient", "seconds"),
    [
        (None, False, False, 1800),  # they start
        (None, True, False, 600),
        (None, True, True, 1800),  # a model is loaded
        (0.5, False, False, 1800),
        (0.5, True, False, 30),
        (0.5, True, True, 1800),  # which no word of the user's makes faster
        (60, False, False, 3600),
        (60, True, False, 3600),
    ],
)
def test_how_long_ranks_may_be_silent(
    minutes: float | None, shown: bool, patient: bool, seconds: int, tmp_path: Path, clock: Clock
) -> None:
    watch = HangWatch(tmp_path, 2, minutes)
    if shown:
        show_life(pulse_file(tmp_path, 0))
        clock.now += 2
        beat(patient)
        clock.now += 5
        assert watch.failure() is None
    assert hung_after(watch, clock) == pytest.approx(seconds, abs=6)


def test_a_parent_that_was_stopped_itself_blames_nobody(tmp_path: Path, clock: Clock) -> None:
    watch = HangWatch(tmp_path, 1, 1.0)
    pulse_file(tmp_path, 0).write_text("1")
    clock.now += 6
    assert watch.failure() is None
    clock.now += 100_000
    assert watch.failure() is None


def test_signs_of_life_are_rare_enough_for_a_disk(tmp_path: Path, clock: Clock) -> None:
    path = pulse_file(tmp_path, 0)
    show_life(path)
    beat()
    first = path.read_bytes()
    for _ in range(1000):
        beat()
    assert path.read_bytes() == first
    clock.now += 1
    beat()
    assert path.read_bytes() != first
