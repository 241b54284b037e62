"""Plain columns for people: aligned text, dates."""

import time
import unicodedata
from collections.abc import Sequence


def width(text: str) -> int:
    """Columns of a terminal that a text takes: Chinese characters two, marks on others none."""
    return sum(map(_columns, text))


def cut(text: str, most: int) -> str:
    """What fits into so many columns, an ellipsis for the rest."""
    if width(text) <= most:
        return text
    taken = 1  # of the ellipsis
    for at, character in enumerate(text):
        taken += _columns(character)
        if taken > most:
            return f"{text[:at]}…"
    return text


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def aligned(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """Rows as lines, each column as wide as its longest entry; those in `right` end together."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]

    def filled(at: int, text: str) -> str:
        blanks = " " * (widths[at] - width(text))
        return blanks + text if at in right else text + blanks

    lines = ("  ".join(filled(at, text) for at, text in enumerate(row)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def date(seconds: float) -> str:
    """Seconds since 1970 as date and minute, here; a dash for none."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else "-"
