"""Content keys: what a piece of work is, as a hash of everything that can change its result."""

import hashlib
import json
from pathlib import Path
from typing import Any

from harness.config.plain import plain
from harness.store.files import write_json

KEY_LENGTH = 20
# What keys are made of; part of every key, so that another number is another set of keys. 2: parts
# have names instead of places of files, and how many prompts are generated at once is no identity.
KEY_SCHEME = 2


def node_key(content: dict[str, Any]) -> str:
    """The content key of work, from all that can change its result."""
    return digest({"scheme": KEY_SCHEME, **content})


def digest(value: Any) -> str:
    """Hash of a JSON-able value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=plain)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def stamp(path: Path) -> list[int]:
    """Size in bytes and modification time in ns of a file."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


class FileHashes:
    """sha256 of files, remembered by (path, size, modification time) in one JSON file."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known: dict[str, str] = {}
        self._changed = False
        if cache is not None and cache.is_file():
            try:
                self._known = json.loads(cache.read_text())
            except (json.JSONDecodeError, OSError):
                self._known = {}

    def file(self, path: Path) -> str:
        """sha256 of one file's bytes."""
        size, time = stamp(path)
        name = f"{path.resolve()}|{size}|{time}"
        if name not in self._known:
            with path.open("rb") as stream:
                self._known[name] = hashlib.file_digest(stream, "sha256").hexdigest()
            self._changed = True
        return self._known[name]

    def told(self, path: Path, sha: str, written: list[int] | None) -> None:
        """Believe who wrote a file and says its hash, while it has the size and time it had then
        (`stamp`)."""
        if written is not None and stamp(path) == written:
            name = f"{path.resolve()}|{written[0]}|{written[1]}"
            self._changed |= name not in self._known
            self._known.setdefault(name, sha)

    def folder(self, path: Path) -> dict[str, str]:
        """Relative name -> sha256 of every file below a folder (hidden files left out)."""
        names = sorted(
            entry.relative_to(path).as_posix()
            for entry in path.rglob("*")
            if entry.is_file() and not entry.name.startswith(".")
        )
        return {name: self.file(path / name) for name in names}

    def save(self) -> None:
        """Write the memory back, if it grew and has a file."""
        if self._cache is not None and self._changed:
            write_json(self._cache, self._known)
            self._changed = False
