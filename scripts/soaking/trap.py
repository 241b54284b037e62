"""A process that is to be killed at a place says that it is there, and waits.

What is asked for stands in a file of the control folder, `<number> <nth> <place>`: the first
process that is for the nth time at the place writes `met-<number>` and waits for `go-<number>`.
This runs in every process of the harness and imports nothing that takes long.
"""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from soaking.places import EVENTS, Met, met

CONTROL = "SOAK_CONTROL"  # variable of the environment: the folder
ASKED = "asked"
NOTES = "notes-"
_POLL_SECONDS = 0.002


class Trap:
    """An audit hook (`sys.addaudithook`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.seen = ("", 0)  # what was asked for, and how often this process was there

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in EVENTS:
            return
        found = met(event, args)
        if found is None:
            return
        if found.note:
            self._note(found.note)
        number = self._asked(found)
        if number and self._first(number, found):
            while not os.path.exists(f"{self.folder}/go-{number}"):
                time.sleep(_POLL_SECONDS)

    def _asked(self, found: Met) -> str:
        """The number of what is asked for, where it is this."""
        try:
            with open(f"{self.folder}/{ASKED}") as stream:
                asked = stream.read()
        except OSError:
            return ""
        number, nth, place = asked.split(" ", 2)
        if place != found.place:
            return ""
        times = self.seen[1] + 1 if self.seen[0] == asked else 1
        self.seen = (asked, times)
        return number if times == int(nth) else ""

    def _first(self, number: str, found: Met) -> bool:
        """Say that it is here, unless another process has."""
        mine = f"{self.folder}/.met-{number}.{os.getpid()}"
        with open(mine, "w") as stream:
            json.dump({"pid": os.getpid(), "path": found.path}, stream)
        try:
            os.link(mine, f"{self.folder}/met-{number}")
        except FileExistsError:
            return False
        finally:
            os.unlink(mine)
        return True

    def _note(self, line: str) -> None:
        with suppress(OSError), open(f"{self.folder}/{NOTES}{os.getpid()}", "a") as stream:
            stream.write(line + "\n")
