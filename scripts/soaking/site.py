"""What those who disturb a sweep know of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals

from soaking.blows import Blow, Happened
from soaking.command import Command
from soaking.control import Control


@dataclass
class Site:
    """The store of a sweep, the results beside it, how many ranks it has, and how a second command
    is started. disk: where the small file system is mounted that holds both; None where there is
    none. timeout: seconds after which a rank misses another one. struck: the launch in which a
    stage was struck last. complaints: what should not have been."""

    store: Path
    control: Control
    ranks: int
    timeout: float
    start: Callable[[], Command]
    note: Callable[[Happened], None]
    disk: Path | None = None
    struck: str = ""
    complaints: list[str] = field(default_factory=list)

    def within(self, path: str) -> str:
        """A path as it is told: below the store."""
        return path.removeprefix(f"{self.store}/").removeprefix(f"{self.store.parent}/")


def happened(blow: Blow, who: str, detail: str, number: int = 0) -> Happened:
    """What a blow came to be, now. number: of the signal, if there was one."""
    name = Signals(number).name if number else ""
    return Happened(blow.kind, blow.place, who, name, time.time(), detail)
