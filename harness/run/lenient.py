"""Where a rank prints: its log, which a full disk cuts short; the rank goes on."""

from contextlib import suppress
from typing import Any


class Lenient:
    """A stream of text whose words may be lost. All else is as of the one behind it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As of a file; always all of it."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As of a file."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
