"""What a run says of itself where there is no terminal."""

import pytest

from harness.cli.display import Display
from harness.run.events import watched


def test_waiting_for_another_process_is_said_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    with watched(display, []):
        for holder in ("process 1 on here", "process 1 on here", "process 2 on far"):
            display.wait_for(holder)
    told = "waiting for process 1 on here\nwaiting for process 2 on far\n"
    assert capsys.readouterr().err == told
