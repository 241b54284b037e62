"""Files whose hash is known once they are written: nobody reads them again for it."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

_written: dict[str, str] = {}  # identity of a file that this process wrote -> its sha256


def stamp(path: Path) -> list[int]:
    """Size in bytes and modification time in ns of a file."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def identity(path: Path, size: int, time: int) -> str:
    """A file as it is now: another one once it was written to."""
    place = (
        path.resolve() if path.is_symlink() else resolved_folder(path.absolute().parent) / path.name
    )
    return f"{place}|{size}|{time}"


@lru_cache(100_000)
def resolved_folder(folder: Path) -> Path:
    """Where a folder is; it is asked for every file in it, and again and again."""
    return folder.resolve()


class HashedFile:
    """A binary file under way. A piece is hashed in a thread while it is written and the next one
    is made; no more than one waits. Nobody may change it meanwhile."""

    def __init__(self, stream: IO[bytes], thread: ThreadPoolExecutor) -> None:
        self._stream, self._thread = stream, thread
        self._hash = hashlib.sha256()
        self._last: Future[None] | None = None

    def write(self, data: "bytes | memoryview") -> None:
        """Append bytes, or anything that offers its own as a buffer."""
        if self._last is not None:
            self._last.result()
        self._last = self._thread.submit(self._hash.update, data)
        self._stream.write(data)

    def sha256(self) -> str:
        """Of all that was written."""
        if self._last is not None:
            self._last.result()
        return self._hash.hexdigest()


@contextmanager
def hashed(path: Path) -> Iterator[HashedFile]:
    """A new file to write, of which `written_hash` tells the hash afterwards. Raises OSError."""
    with path.open("wb") as stream, ThreadPoolExecutor(1) as thread:
        file = HashedFile(stream, thread)
        yield file
        sha = file.sha256()
    _written[identity(path, *stamp(path))] = sha


def written_hash(name: str) -> str | None:
    """sha256 of the file of an `identity`, where this process wrote it; told once."""
    return _written.pop(name, None)
