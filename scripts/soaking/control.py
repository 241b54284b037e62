"""The other side of `trap`: the driver asks for a place, and hears who is there."""

import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from harness.store.files import write_atomically
from soaking.places import Place
from soaking.trap import ASKED, NOTES


class Stopped(NamedTuple):
    """A process that waits at a place, and the file there."""

    pid: int
    path: str


class Control:
    """The control folder of the commands of one store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._numbers = sorted(int(path.name[4:]) for path in folder.glob("met-*"))

    def ask(self, place: Place, nth: int) -> int:
        """Have the process wait that is for the nth time there; returns the number of the
        question."""
        number = (self._numbers or [0])[-1] + 1
        self._numbers.append(number)
        write_atomically(self.folder / ASKED, f"{number} {nth} {place}")
        return number

    def stopped(self, number: int) -> Stopped | None:
        """Who waits there."""
        with suppress(FileNotFoundError):
            return Stopped(**json.loads((self.folder / f"met-{number}").read_text()))
        return None

    def withdraw(self, number: int) -> None:
        """Nobody is asked any more, and who waits goes on."""
        (self.folder / ASKED).unlink(missing_ok=True)
        (self.folder / f"go-{number}").touch()
        (self.folder / f"met-{number}").touch()  # so that a later driver counts on

    def notes(self) -> list[str]:
        """The lines of all processes so far, those of one process in their order."""
        found = []
        for path in sorted(self.folder.glob(f"{NOTES}*")):
            found += path.read_text().splitlines()
        return found
