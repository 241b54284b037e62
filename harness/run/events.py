"""What the ranks say while they work, and who listens to it in the parent; no torch here."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.config.plain import plain, typed
from harness.run.steps import Step, StepLog, StepReader
from harness.store.listener import Notice
from harness.store.pulse import beat
from harness.store.work import Work

LEAST_STEP = 0.002  # of the whole, so that an evaluation of many requests says no more than others
NEARLY = 0.999  # all is computed, and not all is written


@dataclass(frozen=True)
class Event:
    """How far a piece of work is: `done` is a share, 1 when it is in the store. notice: what there
    is to say of it besides. before: the share that an earlier launch had done, where it is said.
    step: the optimizer step that was done, of training."""

    key: str
    done: float
    notice: Notice | None = None
    before: float | None = None
    step: Step | None = None


class EventLog:
    """The file to which one rank says how far it is."""

    def __init__(self, path: Path) -> None:
        self.path, self._start = path, ""

    def say(self, event: Event) -> None:
        """Append an event; on a full disk it goes unsaid, and perhaps the line of a half one stays.
        What is done is told by the store."""
        line = self._start + json.dumps(plain(event)) + "\n"
        self._start = "\n"
        with suppress(OSError), self.path.open("a") as stream:
            stream.write(line)
            stream.flush()
            self._start = ""


class Progress:
    """The listener of one piece of work: it says how far it is, now and then."""

    def __init__(self, log: EventLog, key: str, steps: StepLog | None = None) -> None:
        self.log, self.key, self._steps = log, key, steps
        self.said = 0.0

    def update(self, done: int, total: int) -> None:
        """`done` of `total` units are done; the end is `finish`, after the writing."""
        beat()
        share = min(done / total, NEARLY) if total else 0.0
        if share - self.said >= LEAST_STEP:
            self.said = share
            self.log.say(Event(self.key, share))

    def goes_on(self, done: int, total: int) -> None:
        """`done` of `total` units were done before, by a launch that was broken off."""
        self.said = done / total
        self.log.say(Event(self.key, self.said, before=self.said))

    def steps(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Write what was measured of these optimizer steps. Raises OSError."""
        if self._steps is not None:
            self._steps.say(self.key, steps)

    def tell(self, notice: Notice) -> None:
        """Something is not as a user may expect."""
        self.log.say(Event(self.key, self.said, notice))

    def finish(self) -> None:
        """It is in the store."""
        self.log.say(Event(self.key, 1.0))


class EventReader:
    """Reads what the ranks of a group have said."""

    def __init__(self, folder: Path, world: int) -> None:
        self.paths = [event_path(folder, rank) for rank in range(world)]
        self._seen = dict.fromkeys(self.paths, 0)
        self._steps = StepReader(folder)

    def new(self) -> Iterator[Event]:
        """What was said since the last call, of training every step."""
        for step in self._steps.new():
            yield Event(step.key, min(step.step / max(step.total, 1), NEARLY), step=step)
        for path in self.paths:
            if not path.exists():
                continue
            with path.open("rb") as stream:
                stream.seek(self._seen[path])
                for line in stream:
                    if not line.endswith(b"\n"):
                        break
                    self._seen[path] += len(line)
                    with suppress(ValueError):  # half a line, or none, of a full disk
                        yield typed(Event, json.loads(line))


def event_path(folder: Path, rank: int) -> Path:
    """The file of a rank's events in the folder of its job."""
    return folder / f"events.{rank}.jsonl"


class Watcher(Protocol):
    """Someone in the parent who is told what a run does: a display, a tracker."""

    def begin(self, works: Sequence[Work]) -> None:
        """These are to do, in about this order."""

    def follow(self, event: Event) -> None:
        """One of them has come so far."""

    def wait_for(self, holder: str) -> None:
        """All that is left is in the hands of another process."""

    def end(self) -> None:
        """Nothing is left, or the run has failed."""


class Nobody:
    """A watcher that takes note of nothing."""

    def begin(self, works: Sequence[Work]) -> None:
        """Ignored."""

    def follow(self, event: Event) -> None:
        """Ignored."""

    def wait_for(self, holder: str) -> None:
        """Ignored."""

    def end(self) -> None:
        """Ignored."""


@contextmanager
def watched(watcher: Watcher, works: Sequence[Work]) -> Iterator[None]:
    """Work goes on inside; `end` is called however it ends."""
    watcher.begin(works)
    try:
        yield
    finally:
        watcher.end()
