"""What trackers are told of a run, and that no tracker stops one."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.choices import Tracker
from harness.run.events import Event, Nobody, watched
from harness.run.job import Job
from harness.run.steps import Step
from harness.run.tracking import follow
from harness.run.tracking.base import TrackedRun
from harness.run.tracking.follow import Tracking, tracked, tracked_run
from harness.store.layout import SCORES, TRAINING
from harness.store.listener import Notice
from harness.store.work import TrainWork

KEY = "0123456789abcdef0123456789abcdef"  # as secret as any


class Recorder:
    """A service that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, dict[str, float]]] = []
        self.closed = False

    def start(self, run: TrackedRun) -> None:
        self.run = run

    def log(self, series: str, step: int, values: Mapping[str, float]) -> None:
        self.told.append((series, step, dict(values)))

    def close(self) -> None:
        self.closed = True


class Notices(Nobody):
    """A watcher that keeps notices."""

    def __init__(self) -> None:
        self.lines: list[Notice] = []

    def follow(self, event: Event) -> None:
        if event.notice:
            self.lines.append(event.notice)


def tracking(
    job: Job, services: Sequence[Callable[[], object]], watcher: Nobody | None = None
) -> Tracking:
    names = [*Tracker][: len(services)]
    composition = job.composition
    asked = replace(composition, config=replace(composition.config, tracking=names))
    made = dict(zip(names, services, strict=True))
    return Tracking(replace(job, composition=asked), watcher or Nobody(), made)


def test_what_was_done_before_is_told_whole(finished: Job) -> None:
    """All stages and all headline scores, those a tracker has not seen as they were made."""
    train = finished.plan.of(TrainWork)
    steps = [{"step": n, "loss": 1 / n, "grad_norm": 2.0, "learning_rate": 0.1} for n in (1, 2)]
    steps[0]["figures"] = {"EWC.penalty": 0.5}
    for node in train:
        path = finished.store.path("train", node.key) / TRAINING
        path.write_text(json.dumps({"steps": steps}))
    recorder = Recorder()
    with watched(tracking(finished, [lambda: recorder]), []):
        pass
    assert recorder.closed
    of_stages = [told for told in recorder.told if told[0].startswith("train/")]
    assert of_stages[:2] == [
        (
            "train/01-copy",
            1,
            {"loss": 1.0, "learning_rate": 0.1, "grad_norm": 2.0, "EWC.penalty": 0.5},
        ),
        ("train/01-copy", 2, {"loss": 0.5, "learning_rate": 0.1, "grad_norm": 2.0}),
    ]
    assert [told[0] for told in of_stages[2:]] == ["train/02-count"] * 2
    scores = {
        (step, name): v
        for s, step, told in recorder.told
        for name, v in told.items()
        if s == "score"
    }
    expected = {}
    for cell in finished.plan.cells:
        rows = json.loads((finished.store.path("eval", cell.key) / SCORES).read_text())
        (value,) = [row["value"] for row in rows if row["metric"] == cell.headline]
        expected[cell.stage, f"{cell.suite}/{cell.benchmark}"] = value
    assert scores == expected
    assert len(scores) >= 3


def test_steps_are_told_as_they_happen_and_once(finished: Job) -> None:
    """A stage that is launched again tells what was done before once more."""
    first, recorder = finished.plan.of(TrainWork)[0], Recorder()

    def event(number: int) -> Event:
        step = Step(first.key, 1, "copy", number, 3, 0.1, 0.5, None, 100.0)
        return Event(first.key, number / 3, step=step)

    watcher = tracking(finished, [lambda: recorder])
    with watched(watcher, finished.plan.nodes):
        for number in (1, 2, 1, 2, 3):
            watcher.follow(event(number))
        watcher.follow(Event(finished.plan.cells[0].key, 1.0))
    told = [(series, step) for series, step, _ in recorder.told if series.startswith("train")]
    assert told == [("train/01-copy", 1), ("train/01-copy", 2), ("train/01-copy", 3)]
    assert recorder.told[0][2] == {"loss": 0.5, "learning_rate": 0.1, "tokens_per_second": 100.0}
    assert recorder.told[-1][0] == "score"


class Broken(Recorder):
    def log(self, series: str, step: int, values: Mapping[str, float]) -> None:
        raise SystemExit(f"no access with {KEY}\nand more")


def test_one_that_fails_is_told_of_once_and_stops_nothing(
    finished: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It even tries to leave, and says a key; another one goes on."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    fine, notices = Recorder(), Notices()
    watcher = tracking(finished, [Broken, lambda: fine], notices)
    with watched(watcher, []):
        for _ in range(3):
            watcher.follow(Event(finished.plan.cells[0].key, 1.0))
    (notice,) = notices.lines
    assert notice.warning
    assert notice.line == (
        "tracking=[tensorboard] has ended, the run goes on without it: "
        "SystemExit: no access with ***"
    )
    assert fine.closed
    assert [told for told in fine.told if told[0] == "score"]


def test_one_that_hangs_is_left_behind(finished: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    release, notices = threading.Event(), Notices()

    class Hanging(Recorder):
        def start(self, run: TrackedRun) -> None:
            release.wait(60)

    monkeypatch.setattr(follow, "PATIENCE", 0.05)
    with watched(tracking(finished, [Hanging], notices), []):
        pass
    assert [n.line.partition(": ")[2] for n in notices.lines] == [
        "it is not done in time; what it lacks is lost"
    ]
    release.set()


def test_a_run_without_trackers_has_no_thread_of_them(finished: Job) -> None:
    watcher = Nobody()
    assert tracked(finished, watcher) is watcher


def test_what_a_tracker_knows_of_a_run(finished: Job) -> None:
    run = tracked_run(finished)
    assert run.key == finished.plan.run["run"]
    assert run.folder == Path(finished.config.store.results) / "tracking"
    assert run.config["train.learning_rate"] == 1e-3
    assert run.config["method.name"] == "seqft"
    assert all(isinstance(value, str | int | float | bool) for value in run.config.values())
