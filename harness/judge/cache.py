"""Replies that were paid for, on disk: nothing is judged twice, a killed run loses nothing."""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Reply:
    """A judge's text and the tokens it cost (0 where the endpoint does not tell)."""

    text: str
    prompt_tokens: int
    completion_tokens: int


class Cache:
    """Content key -> reply, in one SQLite file that several processes and threads may share."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS replies "
            "(key TEXT PRIMARY KEY, text TEXT, prompt_tokens INTEGER, completion_tokens INTEGER)"
        )
        self._connection.commit()

    def get(self, key: str) -> Reply | None:
        """The reply under a key, if there is one."""
        with self._lock:
            query = "SELECT text, prompt_tokens, completion_tokens FROM replies WHERE key = ?"
            row = self._connection.execute(query, (key,)).fetchone()
        return Reply(*row) if row else None

    def put(self, key: str, reply: Reply) -> None:
        """Remember a reply; it is on disk when this returns."""
        with self._lock:
            values = (key, reply.text, reply.prompt_tokens, reply.completion_tokens)
            self._connection.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)", values)
            self._connection.commit()

    def close(self) -> None:
        """Give back the file."""
        with self._lock:
            self._connection.close()
