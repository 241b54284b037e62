"""How work tells how far it is, whatever it is."""

from typing import Protocol


class Listener(Protocol):
    """Hears of the progress of one piece of work."""

    def update(self, done: int, total: int) -> None:
        """`done` of `total` units are done: optimizer steps, requests, weights, judgements."""


class Silent:
    """A listener that tells nobody."""

    def update(self, done: int, total: int) -> None:
        """Does nothing."""


SILENT = Silent()
