"""Replies that were paid for, on disk: nothing is judged twice, a killed run loses nothing.

The file is SQLite's, but not its locks, nor the memory that its write-ahead log shares: network
file systems often have neither. Processes take turns by a lock of the store's kind instead, each
opens the file for one turn, and a journal is rolled back by whoever comes after a kill.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness.config import JudgeConfig
from harness.errors import ConfigError, DataError, HarnessError, StageFailed
from harness.store.exclusive import exclusive, sweep
from harness.store.layout import JUDGE_REPLIES, cache_place

SQLITE = b"SQLite format 3\0"  # how such a file begins
_NEW = "SELECT text, prompt_tokens, completion_tokens, key, rowid FROM replies WHERE rowid > ?"


@dataclass(frozen=True)
class Reply:
    """A judge's text and the tokens it cost (0 where the endpoint does not tell)."""

    text: str
    prompt_tokens: int
    completion_tokens: int


class Cache:
    """Content key -> reply, in one SQLite file that processes of several machines and threads may
    share. What was read once is kept in memory."""

    def __init__(self, path: Path) -> None:
        """Open the file or make it. Raises ConfigError where it cannot be read and written."""
        self.path, self._turns = path, path.with_name(f"{path.name}.turns")
        self._lock = threading.Lock()
        self._known, self._last = dict[str, Reply](), 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"its folder cannot be made: {error.strerror}"
            raise ConfigError(_unusable(path, reason)) from None
        try:
            _require_sqlite(path)  # before anything is made beside what is somebody else's
            sweep(self._turns)
            with self._turn() as connection:
                _prepare(connection)
        except OSError as error:
            raise ConfigError(_unusable(path, str(error.strerror))) from None
        except (sqlite3.Error, HarnessError) as error:
            raise ConfigError(_unusable(path, str(error))) from None

    def get(self, key: str) -> Reply | None:
        """The reply under a key, if there is one. Raises StageFailed."""
        with self._lock, self._told():
            if key not in self._known:
                with self._turn() as connection:
                    self._read(connection)
            return self._known.get(key)

    def put(self, key: str, reply: Reply) -> None:
        """Remember a reply; it is on disk when this returns. Raises StageFailed."""
        with self._lock, self._told(), self._turn() as connection:
            values = (key, reply.text, reply.prompt_tokens, reply.completion_tokens)
            connection.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)", values)
            connection.commit()
            self._read(connection)

    @contextmanager
    def _turn(self) -> Iterator[sqlite3.Connection]:
        """The file while nobody else has it."""
        with exclusive(self._turns), closing(_connected(self.path)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            yield connection

    def _read(self, connection: sqlite3.Connection) -> None:
        for *reply, key, row in connection.execute(_NEW, (self._last,)):
            self._known[key], self._last = Reply(*reply), row

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What happens to the file during the work (a full disk), in one line."""
        try:
            yield
        except (sqlite3.Error, HarnessError) as error:
            raise StageFailed(_unusable(self.path, str(error))) from error


def _require_sqlite(path: Path) -> None:
    """Look at its first bytes: SQLite, out of turn, would take back what another process is just
    writing. Raises DataError where it is something else."""
    if path.exists():
        with path.open("rb") as stream:
            begins = stream.read(len(SQLITE))
        if begins not in (b"", SQLITE):
            raise DataError("file is not a database")


def _connected(path: Path) -> sqlite3.Connection:
    """SQLite without its own locks. Alone, it reads what a write-ahead log still holds as well, of
    a version that had one."""
    place = f"file:{quote(str(path.absolute()))}?vfs=unix-none"
    connection = sqlite3.connect(place, uri=True, check_same_thread=False)
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS replies "
        "(key TEXT PRIMARY KEY, text TEXT, prompt_tokens INTEGER, completion_tokens INTEGER)"
    )
    connection.commit()
    connection.execute(_NEW, (0,)).fetchone()  # a table of that name may be somebody else's
    connection.execute("BEGIN IMMEDIATE")  # fails where the file cannot be written
    connection.rollback()


def cache_path(judge: JudgeConfig, root: Path) -> Path:
    """Where a run keeps replies: judge.cache, else in its store."""
    return Path(judge.cache or cache_place(root, JUDGE_REPLIES))


def _unusable(path: Path, reason: str) -> str:
    return f"judge.cache: {path} cannot hold the judge's replies ({reason}); give an SQLite file"
