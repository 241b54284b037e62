"""Leases: which process, on which machine, works on something, and whether it still does.

Working folders and locks of a store carry the token of a lease. Its file says who holds it and is
touched by its holder again and again; this is its beat. A lease is dead, and what carries its token
may be removed, only

- on the holder's own machine: when no process of that number and start time is left, at once;
- on any other machine: when the beat is older than the silence that the lease allows itself,
  `SILENCE_SECONDS` by default. Both ages are modification times that the same file system gave, so
  that the machines' clocks do not matter (where a file system takes times from its clients, they
  may differ by minutes). A network file system may remember for a while how old a file was, so
  that it is opened first, which has it ask;
- when its file is gone: its holder gave it back, or somebody found it dead. A holder that was
  silent too long and wakes up sees that, and publishes nothing more.
"""

import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from harness.errors import StageFailed
from harness.store.files import file_clock, write_json
from harness.store.processes import ended, machine, this_process

SILENCE_SECONDS = 60.0
BEATS = 20  # beats in the time that a lease may be silent
SUFFIX = ".lease"
_TOKEN = re.compile(r"[0-9a-f]{16}")


class Leases:
    """The leases of one folder, each a file `<prefix><token>.lease`.

    silence: seconds without a beat after which those that are taken here are dead elsewhere.
    """

    def __init__(self, folder: Path, prefix: str = "", silence: float = SILENCE_SECONDS) -> None:
        self.folder, self.prefix, self.silence = folder, prefix, silence

    @contextmanager
    def taken(self) -> Iterator[str]:
        """A lease of this process, which beats until the context ends; yields its token. Raises
        DataError where it cannot be written."""
        token = secrets.token_hex(8)
        file = write_json(self._file(token), this_process() | {"silence": self.silence})
        over = threading.Event()
        beat = threading.Thread(target=_beat, args=(file, over, self.silence / BEATS), daemon=True)
        beat.start()
        try:
            yield token
        finally:
            over.set()
            beat.join()
            file.unlink(missing_ok=True)

    def gone(self, token: str) -> bool:
        """True where a lease was given back or is surely dead; a dead one is removed, so that its
        holder sees it if it ever wakes up."""
        file = self._file(token)
        try:
            said = self._read(token)
            here = said.get("machine") == machine()
            dead = ended(said["pid"], said["start"]) if here else None
            if dead is None:
                dead = self._silent_for(token) > said.get("silence", self.silence)
        except FileNotFoundError:
            return True
        if dead:
            with suppress(OSError):
                file.unlink()
        return not file.exists()

    def require(self, token: str) -> None:
        """Raise StageFailed where a lease was taken for dead, so that its work is another's."""
        if not self._file(token).is_file():
            raise StageFailed(
                f"{self.folder}: this process gave no sign of life for so long that its work was "
                "given to another one; the same command goes on"
            )

    def living(self, token: str) -> dict[str, Any] | None:
        """Who holds a lease (host, pid), unless it is gone; looks only, so that a store that cannot
        be written can be asked."""
        try:
            said, beat = self._read(token), self._file(token).stat().st_mtime
        except OSError:
            return None
        here = said.get("machine") == machine()
        dead = ended(said["pid"], said["start"]) if here else None
        if dead is None:
            dead = time.time() - beat > said.get("silence", self.silence)
        return None if dead else {"host": "?", "pid": 0} | said

    def holders(self) -> list[str]:
        """Who holds the leases that are not gone, for a message; looks only."""
        names = (file.name for file in self.folder.glob(f"{escape(self.prefix)}*{SUFFIX}"))
        tokens = (name.removeprefix(self.prefix).removesuffix(SUFFIX) for name in names)
        found = [self.living(token) for token in tokens if _TOKEN.fullmatch(token)]
        return sorted(f"process {said['pid']} on {said['host']}" for said in found if said)

    def holder(self, token: str) -> str:
        """Who holds a lease, for a message; and since when it is silent, if for long. Looks
        only."""
        try:
            said, beat = self._read(token), self._file(token).stat().st_mtime
        except OSError:
            return "another process"
        minutes = (time.time() - beat) / 60
        who = f"process {said.get('pid', '?')} on {said.get('host', '?')}"
        return who if minutes < 2 else f"{who}, silent for {minutes:.0f} minutes"

    def sweep(self, folders: Iterable[Path]) -> None:
        """Remove those folders (`.<name>.<token>`) whose lease is gone, and dead leases."""
        for path in folders:
            token = path.name.rpartition(".")[2]
            if _TOKEN.fullmatch(token) and path.is_dir() and self.gone(token):
                shutil.rmtree(path, ignore_errors=True)
        for file in self.folder.glob(f"{escape(self.prefix)}*{SUFFIX}"):
            token = file.name.removeprefix(self.prefix).removesuffix(SUFFIX)
            if _TOKEN.fullmatch(token):
                self.gone(token)

    def _file(self, token: str) -> Path:
        return self.folder / f"{self.prefix}{token}{SUFFIX}"

    def _read(self, token: str) -> dict[str, Any]:
        try:
            return json.loads(self._file(token).read_text())
        except ValueError:  # not written here: only its age counts
            return {}

    def _silent_for(self, token: str) -> float:
        """Seconds since the last beat, on the file system's own clock."""
        return file_clock(self.folder, self.prefix) - self._file(token).stat().st_mtime


def _beat(file: Path, over: threading.Event, seconds: float) -> None:
    while not over.wait(seconds):
        with suppress(OSError):  # gone: `require` says so; or out of reach for a while
            os.utime(file)
