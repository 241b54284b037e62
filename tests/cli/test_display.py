"""What a run says of itself where there is no terminal."""

import pytest

from harness.cli.display import Display
from harness.config.compose.compose import load
from harness.plan.planner import make_plan
from harness.run.events import Event, watched
from harness.store.keys import FileHashes
from harness.store.listener import Notice


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
