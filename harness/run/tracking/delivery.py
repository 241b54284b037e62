"""One tracker in a thread of its own: a slow one, or one that fails, stops nothing."""

import queue
import threading
import time
from collections.abc import Callable, Mapping

from harness.config.secrets import without_secrets
from harness.errors import kind_and_line, printable
from harness.run.tracking.base import Service, TrackedRun

LONGEST = 100_000  # values that wait for a tracker that does not answer
Value = tuple[str, int, Mapping[str, float]]


class Delivery:
    """Takes values at once and delivers them in order. failed: why it has ended, in a line; None
    while all is well."""

    def __init__(self, name: str, make: Callable[[], Service], run: TrackedRun) -> None:
        self.name, self._make, self._tracked = name, make, run
        self.failed: str | None = None
        self._waiting: queue.Queue[Value | None] = queue.Queue(LONGEST)
        self._thread = threading.Thread(target=self._deliver, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def send(self, series: str, step: int, values: Mapping[str, float]) -> None:
        """Never waits."""
        self._put((series, step, values))

    def close(self) -> None:
        """Nothing more will be sent."""
        self._put(None)

    def wait(self, until: float) -> None:
        """For all to be delivered, until then (of `time.monotonic`)."""
        self._thread.join(max(until - time.monotonic(), 0.0))
        if self._thread.is_alive() and self.failed is None:
            self.failed = "it is not done in time; what it lacks is lost"

    def _put(self, value: Value | None) -> None:
        if self.failed is None:
            try:
                self._waiting.put_nowait(value)
            except queue.Full:
                self.failed = f"it does not answer, and {LONGEST} values wait for it"

    def _deliver(self) -> None:
        try:
            service = self._make()
            service.start(self._tracked)
            while self.failed is None and (value := self._waiting.get()) is not None:
                service.log(*value)
            service.close()
        except BaseException as error:  # of a package of others, which may even leave
            self.failed = printable(without_secrets(kind_and_line(error)))
