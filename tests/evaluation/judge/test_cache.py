"""Replies in one file: processes of several machines, file systems without locks, kills."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from support.command import environment
from support.no_flock import without_locks

from harness.evaluation.judge.cache import Cache, Reply

WRITER = """
import sys
from pathlib import Path
from harness.evaluation.judge.cache import Cache, Reply
cache, who = Cache(Path(sys.argv[1])), sys.argv[2]
print("open", flush=True)
sys.stdin.readline()
for number in range(40):
    cache.put(f"{who}{number}", Reply(f"{who} says {number}", number, 1))
    assert cache.get(f"{who}{number}").prompt_tokens == number
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from harness.evaluation.judge.cache import Cache, Reply
cache = Cache(Path(sys.argv[1]))
cache.put("first", Reply("kept", 1, 1))
with cache._turn() as connection:
    connection.execute("PRAGMA cache_spill=1")
    connection.execute("PRAGMA cache_size=1")
    for number in range(400):
        connection.execute("INSERT INTO replies VALUES (?, ?, 1, 1)", (str(number), "x" * 2000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def process(code: str, *words: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=environment(**variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("locks", [True, False])
def test_two_processes_lose_no_reply(tmp_path: Path, locks: bool) -> None:
    """On a disk, and where flock and fcntl locks fail; neither can see whether the other lives."""
    with nullcontext(tmp_path) if locks else without_locks(tmp_path) as place:
        path = place / "replies.sqlite"
        writers = [process(WRITER, str(path), who, HARNESS_HOST=who) for who in "ab"]
        for writer in writers:
            assert writer.stdout.readline() == "open\n"
        for writer in writers:
            writer.stdin.write("go\n")
            writer.stdin.flush()
        assert [writer.wait(100) for writer in writers] == [0, 0]
        cache = Cache(path)
        for who in "ab":
            for number in range(40):
                assert cache.get(f"{who}{number}") == Reply(f"{who} says {number}", number, 1)
        assert list((place / "replies.sqlite.turns").iterdir()) == []
    for writer in writers:
        writer.stdin.close()
        writer.stdout.close()


def test_opening_disturbs_no_writer(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    cache = Cache(path)
    with cache._turn() as connection:
        connection.execute("PRAGMA cache_spill=1")
        connection.execute("PRAGMA cache_size=1")
        for number in range(400):  # the journal is there, and half of the change in the file
            connection.execute("INSERT INTO replies VALUES (?, ?, 1, 1)", (str(number), "x" * 2000))
        other = process(WRITER, str(path), "b", HARNESS_HOST="b")
        journal = path.with_name(f"{path.name}-journal")
        deadline = time.monotonic() + 60
        while not os.listdir(tmp_path / "replies.sqlite.turns") or _waiting(tmp_path) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert journal.stat().st_size > 0
        connection.commit()
    assert other.stdout.readline() == "open\n"
    assert other.communicate("go\n")[0] == ""
    assert other.returncode == 0
    assert cache.get("b39") == Reply("b says 39", 39, 1)
    assert cache.get("399") == Reply("x" * 2000, 1, 1)


def _waiting(folder: Path) -> int:
    """Processes that have or wait for the file."""
    return len(list((folder / "replies.sqlite.turns").glob("*")))


def test_a_kill_in_the_middle_of_writing(tmp_path: Path) -> None:
    """Half of a change is in the file already; whoever comes next takes it back."""
    path = tmp_path / "replies.sqlite"
    killed = process(KILLED, str(path))
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert path.stat().st_size > 100_000
    assert os.listdir(tmp_path / "replies.sqlite.turns") != []
    cache = Cache(path)
    assert cache.get("first") == Reply("kept", 1, 1)
    assert cache.get("7") is None
    cache.put("second", Reply("new", 2, 2))
    assert os.listdir(tmp_path / "replies.sqlite.turns") == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT key FROM replies").fetchall() == [("first",), ("second",)]


def test_another_process_reply_is_seen(tmp_path: Path) -> None:
    first, second = (Cache(tmp_path / "replies.sqlite") for _ in range(2))
    assert first.get("a") is None
    second.put("a", Reply("told", 3, 4))
    assert first.get("a") == Reply("told", 3, 4)


def test_what_a_write_ahead_log_still_holds(tmp_path: Path) -> None:
    """A file of an earlier version, whose process was killed."""
    path, there = tmp_path / "replies.sqlite", tmp_path / "there.sqlite"
    with closing(sqlite3.connect(there)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(
            "CREATE TABLE replies "
            "(key TEXT PRIMARY KEY, text TEXT, prompt_tokens INTEGER, completion_tokens INTEGER)"
        )
        connection.execute("INSERT INTO replies VALUES ('old', 'paid for', 5, 6)")
        connection.commit()
        for ending in ("", "-wal", "-shm"):
            content = there.with_name(f"{there.name}{ending}").read_bytes()
            path.with_name(f"{path.name}{ending}").write_bytes(content)
    assert path.with_name(f"{path.name}-wal").stat().st_size > 0
    assert Cache(path).get("old") == Reply("paid for", 5, 6)
    assert Cache(path).get("old") == Reply("paid for", 5, 6)
