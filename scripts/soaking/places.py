"""Where a process of the harness is, by what it is about to do to which file.

Python's audit events tell that from outside: no line of the harness knows of it.
"""

import os
import re
import sys
from enum import StrEnum
from typing import Any, NamedTuple


class Place(StrEnum):
    """What a process does when it is killed."""

    stage = "inside a stage"
    checkpoint = "checkpoint write"
    rename = "rename"
    scoring = "scoring"
    hashing = "hashing"
    table = "table writing"
    elsewhere = "elsewhere"


class Met(NamedTuple):
    """A place, the file there, and a line about it for the count of work: a node that becomes
    whole, or a chunk of requests that a rank begins."""

    place: Place
    path: str
    note: str = ""


EVENTS = frozenset(("open", "os.rename", "shutil.rmtree"))
_DEEP = 8  # calls between the reading of a file and the function that hashes it, at most
_TOKEN = r"\.[0-9a-f]{16}"
_NODE = re.compile(r"/(\w+/[0-9a-f]{20})$")
_KEPT = re.compile(r"/partial/train/[0-9a-f]{20}/step-\d+$")
_WRITES_KEPT = re.compile(rf"/partial/train/[0-9a-f]{{20}}/\.step-\d+{_TOKEN}/")
_BEGUN = re.compile(rf"/\.([0-9a-f]{{20}}|step-\d+){_TOKEN}$")
_SCORES = re.compile(
    rf"/partial/eval/[0-9a-f]{{20}}/\.answers-\d+\.json\.|/eval/\.[0-9a-f]{{20}}{_TOKEN}/"
)
_CHUNK = re.compile(rf"/partial/\.[0-9a-f]{{20}}{_TOKEN}/([0-9a-f]{{20}}\.\d{{5}})$")
_OF_STORE = re.compile(r"/(train|eval|edit|judge)/\.?[0-9a-f]{20}")
_TABLE = re.compile(r"/\.?scores\.csv(\.[0-9a-f]+\.tmp)?$")


def met(event: str, args: tuple[Any, ...]) -> Met | None:
    """What a process is about to do, if it is one of these places."""
    path = _text(args[1] if event == "os.rename" else args[0])
    if path is None:
        return None
    if event == "open":
        return _opened(path, bool(args[2] & (os.O_WRONLY | os.O_RDWR)))
    return _renamed(path) if event == "os.rename" else _cleared(path)


def _opened(path: str, writes: bool) -> Met | None:
    if writes:
        for pattern, place in (
            (_WRITES_KEPT, Place.checkpoint),
            (_SCORES, Place.scoring),
            (_TABLE, Place.table),
        ):
            if pattern.search(path):
                return Met(place, path)
    elif _OF_STORE.search(path) and _hashes():
        return Met(Place.hashing, path)
    return None


def _renamed(path: str) -> Met | None:
    if node := _NODE.search(path):
        return Met(Place.rename, path, f"node {node[1]}")
    if _KEPT.search(path):
        return Met(Place.rename, path)
    if chunk := _CHUNK.search(path):
        return Met(Place.scoring, path, f"chunk {chunk[1]}")
    return Met(Place.table, path) if _TABLE.search(path) else None


def _cleared(path: str) -> Met | None:
    """What was under way has just become whole, and what it was before is cleared away."""
    begun = _BEGUN.search(path)
    if begun is None or os.path.exists(path):
        return None
    whole = os.path.join(os.path.dirname(path), begun[1])
    return Met(Place.rename, path) if os.path.exists(whole) else None


def _hashes() -> bool:
    """Is a file read for its hash?"""
    frame = sys._getframe(1)
    for _ in range(_DEEP):
        if frame is None:
            break
        if frame.f_code.co_name == "file_sha256":
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _text(path: Any) -> str | None:
    """A path as text; None for a descriptor."""
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    return path if isinstance(path, str) else None
