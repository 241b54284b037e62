"""Write a file so that a reader sees the old or the new content, never a part."""

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.store.pulse import beat


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write text (UTF-8) or bytes beside `path` and rename; folders are made. Returns the path."""
    data = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path


def write_json(path: Path, value: Any) -> Path:
    """Write a JSON value with sorted keys, atomically."""
    text = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)
    return write_atomically(path, f"{text}\n")


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    beat()
    return digest


LARGEST_NAMED = 1 << 30  # bytes of a file of data that somebody else's manifest names


def require_regular(path: Path) -> None:
    """Raise DataError for what is there and no regular file: reading a pipe would wait for who
    writes to it, reading a device may never end."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path}: is no regular file")


def regular_text(path: Path) -> str:
    """The text of a file of a store that may be somebody else's. Raises DataError where it is no
    regular file."""
    require_regular(path)
    return path.read_text(encoding="utf-8")


def is_still(path: Path, sha256: str) -> bool:
    """Has a file, which somebody else's manifest names, the bytes that it had then? Only regular
    files of at most LARGEST_NAMED bytes are read, and none that tell no size, as those of /proc."""
    try:
        told = path.stat()
        fits = stat.S_ISREG(told.st_mode) and 0 < told.st_size <= LARGEST_NAMED
        return fits and file_sha256(path) == sha256
    except (OSError, ValueError):
        return False


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where there is none, or where another process removes it."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        return list(found)
    return []


def entries_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The same with what is in folders in it; links to folders are not followed."""
    for entry in entries(folder):
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from entries_below(Path(entry.path))


def file_clock(folder: Path, prefix: str = "") -> float:
    """What time it is for the file system of a folder, as it dates files; a machine's own clock may
    differ."""
    probe = folder / f"{prefix}{secrets.token_hex(8)}.clock"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
