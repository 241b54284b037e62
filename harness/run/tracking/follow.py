"""Follows a run for its trackers, beside the display: every step of training and every score, those
too that the store has of it already, so that each run is whole in them."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.config.choices import Tracker
from harness.config.plain import plain
from harness.errors import DAMAGED
from harness.run.events import Event, Watcher
from harness.run.job import Job
from harness.run.tracking.base import Service, TrackedRun
from harness.run.tracking.delivery import Delivery, Value
from harness.run.tracking.mlflow import MLflow
from harness.run.tracking.tensorboard import TensorBoard
from harness.run.tracking.trackio import Trackio
from harness.run.tracking.wandb import WeightsAndBiases
from harness.store.layout import SCORES, TRAINING
from harness.store.listener import Notice
from harness.store.work import TrainWork, Work

SERVICES: dict[Tracker, Callable[[], Service]] = {
    Tracker.tensorboard: TensorBoard,
    Tracker.wandb: WeightsAndBiases,
    Tracker.mlflow: MLflow,
    Tracker.trackio: Trackio,
}
FOLDER = "tracking"  # in the folder of results
PATIENCE = 60.0  # seconds for a tracker to take what is left when the run is over
_MEASURED = ("loss", "learning_rate", "grad_norm", "tokens_per_second")


def tracked(job: Job, watcher: Watcher) -> Watcher:
    """The watcher, and beside it the trackers of a job that has any."""
    return Tracking(job, watcher) if job.config.tracking else watcher


class Tracking:
    """A watcher that passes all on to another one. Trackers begin where there is work to do.

    services: how each is made.
    """

    def __init__(
        self,
        job: Job,
        watcher: Watcher,
        services: Mapping[Tracker, Callable[[], Service]] = SERVICES,
    ) -> None:
        self.job, self.watcher, self.services = job, watcher, services
        self._steps: dict[str, int] = {}  # of stages: the last step that was passed on
        self._told: set[str] = set()
        self._deliveries: list[Delivery] = []

    def begin(self, works: Sequence[Work]) -> None:
        """Trackers get what the store has first."""
        self.watcher.begin(works)
        self._stages = {work.key: work.stage for work in self.job.plan.nodes}
        self.first = works[0].key if works else ""
        run = tracked_run(self.job)
        names = dict.fromkeys(self.job.config.tracking)
        self._deliveries = [Delivery(name, self.services[name], run) for name in names]
        to_do = {work.key for work in works}
        for work in self.job.plan.nodes:
            if work.key not in to_do:
                self._send(self._stored(work))

    def follow(self, event: Event) -> None:
        """Pass on a step, and what a finished node brought."""
        self.watcher.follow(event)
        step = event.step
        if step is not None and step.step > self._steps.get(step.key, 0):
            self._steps[step.key] = step.step
            self._send([_values(self._stages[step.key], step.task, plain(step))])
        if event.done >= 1:
            self._send(self._scores(event.key))
        self._warn()

    def wait_for(self, holder: str) -> None:
        """Passed on."""
        self.watcher.wait_for(holder)

    def end(self) -> None:
        """Wait for the trackers, not for ever."""
        until = time.monotonic() + PATIENCE
        for delivery in self._deliveries:
            delivery.close()
        for delivery in self._deliveries:
            delivery.wait(until)
        self._warn()
        self.watcher.end()

    def _send(self, values: Iterator[Value] | Sequence[Value]) -> None:
        for series, step, told in values:
            for delivery in self._deliveries if told else ():
                delivery.send(series, step, told)

    def _warn(self) -> None:
        """A line for each tracker that has ended, once."""
        for name, why in [(d.name, d.failed) for d in self._deliveries if d.failed]:
            if name not in self._told:
                self._told.add(name)
                line = f"tracking=[{name}] has ended, the run goes on without it: {why}"
                self.watcher.follow(Event(self.first, 0.0, Notice(line, line, warning=True)))

    def _stored(self, work: Work) -> Iterator[Value]:
        """What the store has of work that was done before."""
        if not isinstance(work, TrainWork):
            yield from self._scores(work.key)
            return
        with suppress(*DAMAGED):
            for entry in self.job.store.read(work.kind, work.key, TRAINING)["steps"]:
                yield _values(work.stage, work.task, entry)

    def _scores(self, key: str) -> Iterator[Value]:
        """The headline scores of the cells that a node fills."""
        for cell in (cell for cell in self.job.plan.cells if cell.key == key):
            with suppress(*DAMAGED):
                rows = self.job.store.read(cell.kind, key, SCORES)
                wanted = None, cell.headline, cell.filter
                found = [r for r in rows if (r["subtask"], r["metric"], r["filter"]) == wanted]
                told = {f"{cell.suite}/{cell.benchmark}": row["value"] for row in found}
                yield "score", cell.stage, _numbers(told)


def tracked_run(job: Job) -> TrackedRun:
    """What trackers know of a job."""
    folder = Path(job.config.store.results) / FOLDER
    config = dict(_flat(plain(job.config)))
    return TrackedRun(job.plan.run["run"], job.name, job.config.experiment, config, folder)


def _values(stage: int, task: str, step: Mapping[str, Any]) -> Value:
    told = {name: step.get(name) for name in _MEASURED} | step.get("figures", {})
    return f"train/{stage:02d}-{task}", step["step"], _numbers(told)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    known = {name: float(value) for name, value in values.items() if value is not None}
    return {name: value for name, value in known.items() if math.isfinite(value)}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key -> value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str | int | float | bool) else str(value)
