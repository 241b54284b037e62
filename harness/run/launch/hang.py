"""Whether the ranks of a launch still get further, by the signs of life that they show."""

import time
from contextlib import suppress
from pathlib import Path

from harness.run.launch.failure import Failure, Fault
from harness.store.pulse import PATIENT, pulse_file

LEAST_SECONDS = 600.0
PATIENT_SECONDS = 1800.0  # while ranks start, or others' code loads a model
TIMES = 10.0  # the longest silence so far
LOOK_SECONDS = 5.0  # between two looks at the files of all ranks, or a tenth of a shorter limit
MOST_SECONDS = 30.0  # that count between two looks: this process may have been stopped itself


class HangWatch:
    """Looks at the ranks of one launch, whose signs lie in its folder. minutes: as
    `engine.timeout_minutes`, which holds from the first sign on; None = by the longest silence.

    Only that a file changes counts, as clocks of machines differ.
    """

    def __init__(self, folder: Path, world: int, minutes: float | None) -> None:
        self.paths = {rank: pulse_file(folder, rank) for rank in range(world)}
        self.given = None if minutes is None else 60 * minutes
        self.shown = dict[int, bytes]()
        self.silence = self.longest = 0.0
        self._looked = time.monotonic()
        self._last = 0

    def failure(self) -> Failure | None:
        """The failure of ranks that have hung, named after the one that showed life last; None
        while one of them does."""
        self._look()
        if self.silence <= self.limit:
            return None
        rank, minutes = self._last, self.silence / 60
        span = f"{minutes:.0f} minutes" if minutes >= 2 else f"{self.silence:.0f} seconds"
        told = f"no rank got any further for {span} (engine.timeout_minutes)"
        return Failure(rank, told, kind=Fault.hung)

    @property
    def limit(self) -> float:
        """Seconds of silence that are no matter of concern."""
        if not self.shown:
            return max(PATIENT_SECONDS, self.given or 0.0)
        least = PATIENT_SECONDS if self._patient else LEAST_SECONDS
        if self.given is not None:
            return max(self.given, PATIENT_SECONDS) if self._patient else self.given
        return max(least, TIMES * self.longest)

    @property
    def _patient(self) -> bool:
        """Does one of them do what may take long in one go?"""
        return any(sign.endswith(PATIENT) for sign in self.shown.values())

    def _look(self) -> None:
        now = time.monotonic()
        passed = now - self._looked
        if passed < min(LOOK_SECONDS, (self.given or self.limit) / 10):
            return
        self._looked = now
        self.silence += min(passed, MOST_SECONDS)
        shown = self._signs()
        changed = [rank for rank, sign in shown.items() if sign != self.shown.get(rank)]
        if not changed:
            return
        if self.shown and not self._patient:
            self.longest = max(self.longest, self.silence)
        self.shown, self.silence, self._last = shown, 0.0, changed[0]

    def _signs(self) -> dict[int, bytes]:
        """Rank -> what it last wrote; a file that is just being written counts as it was."""
        found = dict(self.shown)
        for rank, path in self.paths.items():
            with suppress(OSError):
                found[rank] = path.read_bytes() or found.get(rank, b"")
        return {rank: sign for rank, sign in found.items() if sign}
