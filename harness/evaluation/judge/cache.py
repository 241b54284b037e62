"""Replies that were paid for, on disk: nothing is judged twice, a killed run loses nothing."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.config import JudgeConfig
from harness.errors import ConfigError, StageFailed
from harness.store.layout import JUDGE_REPLIES, cache_place

_SELECT = "SELECT text, prompt_tokens, completion_tokens FROM replies WHERE key = ?"


@dataclass(frozen=True)
class Reply:
    """A judge's text and the tokens it cost (0 where the endpoint does not tell)."""

    text: str
    prompt_tokens: int
    completion_tokens: int


class Cache:
    """Content key -> reply, in one SQLite file that several processes and threads may share."""

    def __init__(self, path: Path) -> None:
        """Open the file or make it. Raises ConfigError where it cannot be read and written."""
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"its folder cannot be made: {error.strerror}"
            raise ConfigError(_unusable(path, reason)) from None
        try:
            self._connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
            self._prepare()
        except sqlite3.Error as error:
            raise ConfigError(_unusable(path, str(error))) from None

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS replies "
            "(key TEXT PRIMARY KEY, text TEXT, prompt_tokens INTEGER, completion_tokens INTEGER)"
        )
        self._connection.commit()
        self._connection.execute(_SELECT, ("",))  # a table of that name may be somebody else's
        self._connection.execute("BEGIN IMMEDIATE")  # fails where the file cannot be written
        self._connection.rollback()

    def get(self, key: str) -> Reply | None:
        """The reply under a key, if there is one. Raises StageFailed."""
        with self._lock, self._told():
            row = self._connection.execute(_SELECT, (key,)).fetchone()
        return Reply(*row) if row else None

    def put(self, key: str, reply: Reply) -> None:
        """Remember a reply; it is on disk when this returns. Raises StageFailed."""
        with self._lock, self._told():
            values = (key, reply.text, reply.prompt_tokens, reply.completion_tokens)
            self._connection.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)", values)
            self._connection.commit()

    def close(self) -> None:
        """Give back the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What happens to the file during the work (a full disk), in one line."""
        try:
            yield
        except sqlite3.Error as error:
            raise StageFailed(_unusable(self.path, str(error))) from error


def cache_path(judge: JudgeConfig, root: Path) -> Path:
    """Where a run keeps replies: judge.cache, else in its store."""
    return Path(judge.cache or cache_place(root, JUDGE_REPLIES))


def _unusable(path: Path, reason: str) -> str:
    return f"judge.cache: {path} cannot hold the judge's replies ({reason}); give an SQLite file"
