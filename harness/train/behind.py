"""Work of the first rank that goes on behind its steps, one piece at a time; imports no torch."""

from collections.abc import Callable
from threading import Thread

from harness.errors import DataError, StageFailed
from harness.store.pulse import beat


class Behind:
    """What it ran into is heard when it is settled."""

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._error: DataError | StageFailed | None = None

    def begin(self, work: Callable[[], object]) -> None:
        """Have it done behind what follows; nothing else may be under way."""
        assert self._thread is None
        self._thread = Thread(target=self._do, args=(work,), name="behind")
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Is it still being done?"""
        return self._thread is not None and self._thread.is_alive()

    @property
    def failed(self) -> bool:
        """Is it known to have failed?"""
        return self._error is not None

    def settle(self) -> DataError | None:
        """Wait for what was begun; why it failed. Raises StageFailed where its lease was lost."""
        if self._thread is not None:
            beat(patient=True)  # a large file on a slow disk is no hang
            self._thread.join()
            beat()
        error, self._thread, self._error = self._error, None, None
        if isinstance(error, StageFailed):
            raise error
        return error

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (DataError, StageFailed) as error:
            self._error = error
        except Exception as error:  # whatever it is, what was begun is not there
            self._error = DataError(f"it failed behind the steps: {error!r}")
