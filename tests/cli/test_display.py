"""What a run says of itself where there is no terminal."""

import pytest

from harness.cli.display import Display
from harness.config.compose.compose import load
from harness.plan.planner import make_plan
from harness.run.events import Event, watched
from harness.store.keys import FileHashes
from harness.store.listener import Notice
from harness.store.records import Folder
from harness.store.work import EditWork


def test_waiting_for_another_process_is_said_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    with watched(display, []):
        for holder in ("process 1 on here", "process 1 on here", "process 2 on far"):
            display.wait_for(holder)
    told = "waiting for process 1 on here\nwaiting for process 2 on far\n"
    assert capsys.readouterr().err == told


def test_of_a_topic_one_notice_is_told(
    tiny_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    works = make_plan(load(tiny_run), FileHashes()).nodes
    display = Display()
    with watched(display, works):
        for notice in (Notice("a", "first"), Notice("a", "again"), Notice("b", "see to it", True)):
            display.follow(Event(works[0].key, 0.0, notice))
    assert capsys.readouterr().err == "note: first\nwarning: see to it\n"


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
