"""The steps of a stage as they happen, for who watches: the first rank's numbers, some lines at a
time, so that slow disks and fast steps do not meet at every step."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from harness.store.records import Json

EVERY_SECONDS = 0.5
Hear = Callable[[Sequence[Json]], None]


class Live:
    """Tells of the steps of one stage. A step is an entry of the training log with what only the
    moment knows besides: `seconds` since the step before, and `tokens_per_second` in them.

    hear: gets steps in order, none twice. about: what every step carries (stage, task, total).
    """

    def __init__(self, hear: Hear, about: Json) -> None:
        self._hear, self.about = hear, about
        self._waiting: list[Json] = []
        self._before = self._told = time.monotonic()

    def begin(self, log: Sequence[Mapping[str, Any]]) -> None:
        """The steps go on behind those of `log`, which a launch that was broken off has done."""
        self._waiting = [{**self.about, **entry} for entry in log]
        self._before = time.monotonic()

    def note(self, entry: Mapping[str, Any], tokens: int) -> None:
        """A step is done, which went over so many tokens."""
        now = time.monotonic()
        seconds = now - self._before
        pace = tokens / seconds if seconds > 0 else None
        measured = {"tokens": tokens, "seconds": round(seconds, 6), "tokens_per_second": pace}
        self._waiting.append({**self.about, **entry, **measured})
        self._before = now
        if now - self._told >= EVERY_SECONDS:
            self.flush()
            self._told = now

    def flush(self) -> None:
        """Tell what waits; one who cannot hear it stops no training."""
        steps, self._waiting = self._waiting, []
        if steps:
            with suppress(OSError):
                self._hear(steps)
