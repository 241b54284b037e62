"""Content keys: what a piece of work is, as a hash of everything that can change its result."""

import hashlib
import json
from pathlib import Path
from typing import Any

from harness.config.plain import plain
from harness.store.files import file_sha256, write_json
from harness.store.hashing import identity, resolved_folder, stamp, written_hash

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


class FileHashes:
    """sha256 of files, remembered by (path, size, modification time) in one JSON file."""

    def __init__(self, cache: Path | None = None) -> None:
        resolved_folder.cache_clear()  # folders may have moved since another was made
        self._cache = cache
        self._known: dict[str, str] = {}
        self._changed = False
        if cache is not None and cache.is_file():
            try:
                self._known = json.loads(cache.read_text())
            except (json.JSONDecodeError, OSError):
                self._known = {}

    def file(self, path: Path, told: str = "", written: list[int] | None = None) -> str:
        """sha256 of one file's bytes. told: the hash by who wrote it, who is believed while the
        file has the size and time that it had then, `written` (see `stamp`)."""
        now = stamp(path)
        name = identity(path, *now)
        if name not in self._known:
            by_writer = told if now == written else None
            self._known[name] = by_writer or written_hash(name) or file_sha256(path)
            self._changed = True
        return self._known[name]

    def read(self, path: Path) -> str:
        """sha256 of one file's bytes as they are now, whatever is remembered; that is from here on
        what is."""
        name = identity(path, *stamp(path))
        sha = file_sha256(path)
        if self._known.get(name) != sha:
            self._known[name] = sha
            self._changed = True
        return sha

    def known(self, path: Path) -> str | None:
        """sha256 of one file's bytes where it is remembered; they are not read for it."""
        return self._known.get(identity(path, *stamp(path)))

    def folder(self, path: Path, without: str | None = None) -> dict[str, str]:
        """Relative name -> sha256 of every file below a folder. Hidden files are left out, and so
        is what is below its folder `without`."""
        names = sorted(
            entry.relative_to(path).as_posix()
            for entry in path.rglob("*")
            if entry.is_file() and not entry.name.startswith(".")
        )
        kept = (name for name in names if without is None or not name.startswith(f"{without}/"))
        return {name: self.file(path / name) for name in kept}

    def save(self) -> None:
        """Write the memory back, if it grew and has a file."""
        if self._cache is not None and self._changed:
            write_json(self._cache, self._known)
            self._changed = False
