"""How work tells how far it is, whatever it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Notice:
    """What a user has to know of how work is done, in a line; once a run for each topic. warning:
    something is to be done about it."""

    topic: str
    line: str
    warning: bool = False


class Listener(Protocol):
    """Hears of the progress of one piece of work."""

    def update(self, done: int, total: int) -> None:
        """`done` of `total` units are done: optimizer steps, requests, weights, judgements."""

    def goes_on(self, done: int, total: int) -> None:
        """`done` of `total` units were done before, by a launch that was broken off."""

    def steps(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Optimizer steps are done, with what was measured of each. Raises OSError where that
        cannot be written."""

    def tell(self, notice: Notice) -> None:
        """Something is not as a user may expect."""


class Silent:
    """A listener that tells nobody."""

    def update(self, done: int, total: int) -> None:
        """Does nothing."""

    def goes_on(self, done: int, total: int) -> None:
        """Does nothing."""

    def steps(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Does nothing."""

    def tell(self, notice: Notice) -> None:
        """Does nothing."""


SILENT = Silent()
