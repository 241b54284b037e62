"""Which part of an answer is a program of Python: read line by line, nothing is parsed or run."""

import re
from collections.abc import Iterator
from itertools import takewhile

PYTHON = ("", "python", "python3", "py", "py3")
_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})(.*)")
# Lines at the margin that begin a statement of a file which is imported; what is not among them
# (prose, calls of print, a fence) ends a program that stands without fences.
_STATEMENT = re.compile(
    r"(?:async +)?def +\w+ *\(|class +\w+ *[(:]|@\w|import +[\w.]+(?: *,| +as |$)"
    r"|from +[\w.]+ +import |#|\w[\w., \[\]]*(?::[^=]+)?[-+*/|&]?=(?!=)|\w+(?:\.\w+)+\(.*\)$"
    r"|for +\w+(?: *, *\w+)* +in .+:$|(?:try|else|finally) *:$|except\b.*:$"
)
_QUOTES = re.compile(r'"""|\'\'\'')


def blocks(answer: str) -> Iterator[tuple[str, str]]:
    """(language, code) of what stands between fences, without the indentation of the first fence
    (CommonMark 0.31, section 4.5); a last block may lack its end, where an answer was cut."""
    lines = iter(answer.split("\n"))
    for line in lines:
        opened = _FENCE.fullmatch(line)
        if not opened or "`" in opened[3]:  # of code within a line
            continue
        ends = re.compile(rf"[ \t]*{opened[2]}{opened[2][0]}*[ \t]*")
        indented = re.compile(rf"[ \t]{{0,{len(opened[1])}}}")
        within = takewhile(lambda text, ends=ends: not ends.fullmatch(text), lines)
        code = "\n".join(indented.sub("", text, count=1) for text in within)
        words = opened[3].strip(" \t{}.").lower().split()
        yield words[0] if words else "", code


def around(answer: str, starts: re.Pattern[str]) -> str | None:
    """Without fences: the statements next to each other that hold the first line at the margin
    which `starts` matches, or None. Prose before and behind it is left out."""
    kept: list[str] = []
    found = False
    for statement in _statements(answer):
        if _STATEMENT.match(statement.split("\n", 1)[0]):
            kept.append(statement)
            found = found or bool(starts.match(statement))
        elif found:
            break
        elif statement.strip():
            kept = []
    return "\n".join(kept) if found else None


def _statements(text: str) -> Iterator[str]:
    """A line at the margin with all that belongs to it: indented and empty lines, closing brackets
    and what stands in a string of several lines."""
    held: list[str] = []
    quote = ""
    for line in text.split("\n"):
        if held and not quote and line[:1] not in ("", " ", "\t", ")", "]", "}"):
            yield "\n".join(held)
            held = []
        held.append(line)
        for mark in _QUOTES.findall(line):
            quote = "" if quote == mark else quote or mark
    if held:
        yield "\n".join(held)
