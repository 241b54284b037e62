"""What a run says of itself where there is no terminal."""

import pytest

from harness.cli.display import Display
from harness.run.events import Event, watched
from harness.store.records import Folder
from harness.store.work import EditWork


def test_waiting_for_another_process_is_said_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    with watched(display, []):
        for holder in ("process 1 on here", "process 1 on here", "process 2 on far"):
            display.wait_for(holder)
    told = "waiting for process 1 on here\nwaiting for process 2 on far\n"
    assert capsys.readouterr().err == told


def test_what_was_done_before_counts_for_no_speed() -> None:
    """Ten seconds for a tenth of what was left: the other 4/10 take forty, not five."""
    base = Folder("a", "a")
    work = EditWork(stage=1, label="e", edit={}, base=base, tuned=(base,), name="e", settings={})
    display = Display()
    with watched(display, [work]):
        display.follow(Event(work.key, 0.5, before=0.5))
        display.follow(Event(work.key, 0.6))
        display.spent = {work.kind: 10.0}
        assert display._seconds_left() == pytest.approx(40.0)
