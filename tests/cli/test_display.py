"""What a run says of itself, with and without a terminal."""

import io

import pytest
from rich.console import Console

from harness.cli.display import Display
from harness.config.compose.compose import load
from harness.plan.planner import make_plan
from harness.run.events import Event, watched
from harness.run.steps import Step
from harness.store.keys import FileHashes
from harness.store.listener import Notice
from harness.store.work import TrainWork, Work


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


@pytest.fixture
def stage(tiny_run: list[str]) -> Work:
    nodes = make_plan(load(tiny_run), FileHashes()).nodes
    return next(node for node in nodes if isinstance(node, TrainWork))


def step(work: Work, number: int, **figures: float) -> Event:
    made = Step(work.key, 1, "copy", number, 40, 1e-3, 0.53125, 2.0, 2048.4, figures)
    return Event(work.key, number / 40, step=made)


def test_a_finished_stage_tells_its_last_loss_and_figures(
    stage: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures are those of the last step that had any."""
    display = Display()
    with watched(display, [stage]):
        for event in (step(stage, 30, **{"EWC.penalty": 0.25}), step(stage, 40)):
            display.follow(event)
        display.follow(Event(stage.key, 1.0))
    told = capsys.readouterr().err
    assert told.startswith(
        "[1/1] stage 1 · train copy · loss 0.5312 · 2,048 tokens/s · EWC.penalty 0.25 · left "
    )
    assert told.count("\n") == 1


@pytest.mark.parametrize("width", [40, 120])
@pytest.mark.parametrize("plain", [False, True], ids=["colour", "NO_COLOR"])
def test_a_screen_of_two_lines_that_fit(
    stage: Work, width: int, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if plain:
        monkeypatch.setenv("NO_COLOR", "1")
    shown = io.StringIO()
    display = Display()
    display.console = Console(file=shown, force_terminal=True, width=width, color_system="standard")
    display.live = True
    with watched(display, [stage]):
        display.follow(step(stage, 20, **{"GEM.projected_share": 0.5}))
        display.bar.refresh()
        lines = display.console.render_lines(display.bar.get_renderable(), pad=False)
        texts = ["".join(part.text for part in line) for line in lines]
    assert len(texts) == 2
    assert all(len(text) <= width for text in texts)
    assert texts[0].startswith("stage 1")
    assert texts[1].startswith("step 20/40 · loss 0.5312")
    assert ("GEM.projected_share 0.5" in texts[1]) == (width == 120)
    assert ("\x1b[3" in shown.getvalue()) == (width == 120 and not plain)  # colours 30 to 37
