"""What is written of steps is read on, each once, whatever a full disk left between them."""

import json
from pathlib import Path

from harness.run.events import EventReader
from harness.run.steps import Step, StepLog, StepReader

ENTRY = {"stage": 2, "task": "copy", "step": 3, "total": 4, "learning_rate": 0.5, "loss": 1.25}


def test_steps_are_read_on(tmp_path: Path) -> None:
    log, reader = StepLog(tmp_path), StepReader(tmp_path)
    assert list(reader.new()) == []
    log.say("k", [ENTRY, {**ENTRY, "step": 4, "grad_norm": 2.0, "figures": {"EWC.penalty": 0.5}}])
    first, second = reader.new()
    assert first == Step("k", 2, "copy", 3, 4, 0.5, 1.25)
    assert second == Step("k", 2, "copy", 4, 4, 0.5, 1.25, 2.0, None, {"EWC.penalty": 0.5})
    assert list(reader.new()) == []
    log.say("k", [ENTRY])
    assert [step.step for step in reader.new()] == [3]


def test_lines_are_strict_json(tmp_path: Path) -> None:
    """A loss that is no number is the last thing that a diverged stage tells."""
    StepLog(tmp_path).say("k", [{**ENTRY, "loss": float("nan"), "grad_norm": float("inf")}])

    def refuse(word: str) -> None:
        raise AssertionError(word)

    text = (tmp_path / "training.jsonl").read_text()
    told = json.loads(text, parse_constant=refuse)
    assert (told["loss"], told["grad_norm"]) == (None, None)
    assert [step.loss for step in StepReader(tmp_path).new()] == [None]


def test_half_a_line_hides_no_other(tmp_path: Path) -> None:
    log, reader = StepLog(tmp_path), StepReader(tmp_path)
    (tmp_path / "training.jsonl").write_text('{"key": "k", "st')
    assert list(reader.new()) == []
    log._start = "\n"  # as after a write that failed
    log.say("k", [ENTRY])
    (tmp_path / "training.jsonl").open("a").write('{"stage": 1}\n')
    assert [step.step for step in reader.new()] == [3]


def test_a_step_is_an_event_of_its_work(tmp_path: Path) -> None:
    StepLog(tmp_path).say("k", [ENTRY, {**ENTRY, "step": 4}])
    events = [*EventReader(tmp_path, world=1).new()]
    assert [(event.key, event.done) for event in events] == [("k", 0.75), ("k", 0.999)]
    assert [event.step.step for event in events if event.step] == [3, 4]
