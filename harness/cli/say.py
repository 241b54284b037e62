"""Printing what others wrote: names, answers, files."""

from harness.errors import printable


def say(*lines: object) -> None:
    """Print lines, of which there may be none, at once; what of them a terminal would take for a
    command is blank."""
    if lines:
        print(printable("\n".join(map(str, lines))), flush=True)
