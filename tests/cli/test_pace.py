"""The time left, on a clock of the test's own."""

import pytest

from harness.cli.pace import Pace
from harness.run.events import Event
from harness.store.records import Folder
from harness.store.work import EditWork, Work

BASE = Folder("a", "a")


def works(count: int) -> list[Work]:
    """Pieces of one kind that are as large as each other."""
    return [
        EditWork(
            stage=i, label="e", edit={"nth": i}, base=BASE, tuned=(BASE,), name=f"e{i}", settings={}
        )
        for i in range(count)
    ]


def pace(made: list[Work], known: float | None = None) -> Pace:
    paces = {} if known is None else {made[0].kind: known}
    return Pace(made, {work.key: False for work in made}, paces, now=100.0)


def test_the_first_sign_of_life_tells_no_pace() -> None:
    """A job of 40 s whose ranks load for 10: 0.2% are done then, which once made 83 minutes."""
    (work,) = made = works(1)
    found = pace(made)
    found.hear(Event(work.key, 0.002), 110.0)
    assert found.seconds_left() is None
    found.hear(Event(work.key, 0.004), 110.1)
    assert found.seconds_left() is None
    found.hear(Event(work.key, 0.502), 125.1)  # 15.1 s for a half
    assert found.seconds_left() == pytest.approx(15.1 / 0.5 * 0.498)


def test_half_a_minute_of_little_tells_a_pace_too() -> None:
    (work,) = made = works(1)
    found = pace(made)
    found.hear(Event(work.key, 0.0), 110.0)
    found.hear(Event(work.key, 0.01), 140.0)
    assert found.seconds_left() == pytest.approx(30 * 99)


def test_what_was_done_before_counts_for_no_speed() -> None:
    """Ten seconds for a tenth of the whole: the other 4/10 take forty, not five."""
    (work,) = made = works(1)
    found = pace(made)
    found.hear(Event(work.key, 0.5, before=0.5), 105.0)
    found.hear(Event(work.key, 0.6), 115.0)
    assert found.seconds_left() == pytest.approx(40.0)


def test_the_first_of_many_that_end_together_tells_no_pace() -> None:
    """Of 30 the first is done after 0.1 s, and the second; each of the others takes 2 s."""
    made = works(30)
    found = pace(made)
    found.hear(Event(made[0].key, 0.5), 109.9)
    found.hear(Event(made[0].key, 1.0), 110.0)
    assert found.seconds_left() is None
    found.hear(Event(made[1].key, 1.0), 112.0)
    assert found.seconds_left() == pytest.approx(28 * 2.1 / 2)


def test_the_store_knows_a_pace_until_something_is_finished() -> None:
    """Of effort 1 each: at 7 s by the store. The first takes 5 s, of which 2 for its ranks to
    start; the second is at a half after 2 s more."""
    made = works(3)
    found = pace(made, known=7.0)
    assert found.seconds_left() == pytest.approx(21.0)
    found.hear(Event(made[0].key, 0.5), 102.0)
    assert found.seconds_left() == pytest.approx(2.5 * 7)
    found.hear(Event(made[0].key, 1.0), 105.0)
    assert found.seconds_left() == pytest.approx(2 * 3.0)
    found.hear(Event(made[1].key, 0.5), 107.0)
    assert found.seconds_left() == pytest.approx(1.5 * (3 + 2) / 1.5)
