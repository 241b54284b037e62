"""Content keys: what a piece of work is, as a hash of everything that can change its result."""

import hashlib
import json
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from harness.config import is_neutral
from harness.files import write_json

KEY_LENGTH = 20


def digest(value: Any) -> str:
    """Hash of a JSON-able value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=plain)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def plain(value: Any) -> Any:
    """Dataclasses and enums as plain JSON values."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {spec.name: plain(getattr(value, spec.name)) for spec in fields(value)}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def identity(config: Any, kind: str) -> dict[str, Any]:
    """The fields of a config dataclass that change the result of one kind of node.

    Fields at their default are left out, so that a key that is added later does not invalidate
    what is already stored.
    """
    found: dict[str, Any] = {}
    for spec in fields(config):
        value = getattr(config, spec.name)
        if kind in spec.metadata["identity"] and not is_neutral(spec, value):
            found[spec.name] = plain(value)
    return found


def plain_identity(strategy: Any) -> dict[str, Any]:
    """The class of a strategy or an edit, its version unless it is the first, and its parameters
    that differ from their defaults, places of files left out (a plan adds their content)."""
    found: dict[str, Any] = {"class": f"{type(strategy).__module__}.{type(strategy).__qualname__}"}
    if strategy.version > 1:
        found["version"] = strategy.version
    for spec in fields(strategy):
        value = getattr(strategy, spec.name)
        hidden = not spec.init or spec.name in strategy.file_parameters
        if not hidden and not is_neutral(spec, value):
            found[spec.name] = plain(value)
    return found


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
        status = path.stat()
        name = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        if name not in self._known:
            with path.open("rb") as stream:
                self._known[name] = hashlib.file_digest(stream, "sha256").hexdigest()
            self._changed = True
        return self._known[name]

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
