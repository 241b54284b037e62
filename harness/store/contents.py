"""What lies on the disk of a store, by looking at folders alone; imports no torch, writes nothing.

A node is there where its folder is: it appears whole. What its files hold is not looked at.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.store.layout import CACHE, LOGS, MANIFEST, PARTIAL, PREDICTIONS, TRANSIENT
from harness.store.work import KINDS

Name = tuple[str, str]  # kind and content key of a piece of work

WEIGHTS = "weights"
STATES = "optimizer states"
ANSWERS = "predictions"
OTHERS = "scores, manifests, records"
CACHES = "caches"
UNDER_WAY = "partial work"
LOGGED = "logs"
SORTS = (WEIGHTS, STATES, ANSWERS, OTHERS, CACHES, UNDER_WAY, LOGGED)
_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class StoredNode:
    """Bytes of a node by sort (see SORTS), and when it was finished, in seconds since 1970: 0 for
    one without a manifest."""

    sizes: dict[str, int]
    finished: float

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(self.sizes.values())


def present(root: Path) -> set[Name]:
    """All nodes that are there."""
    return {(kind, entry.name) for kind, entry in _folders(root) if entry.name[0] != "."}


def stored_nodes(root: Path) -> dict[Name, StoredNode]:
    """All nodes with their sizes."""
    return {
        (kind, entry.name): _node(entry.path)
        for kind, entry in _folders(root)
        if entry.name[0] != "."
    }


def bytes_by_sort(root: Path, nodes: dict[Name, StoredNode]) -> dict[str, int]:
    """Bytes of a whole store by sort. nodes: as `stored_nodes` tells them."""
    found = dict.fromkeys(SORTS, 0)
    for node in nodes.values():
        for sort, size in node.sizes.items():
            found[sort] += size
    for place, sort in ((CACHE, CACHES), (PARTIAL, UNDER_WAY), (LOGS, LOGGED)):
        found[sort] += bytes_below(root / place)
    for _, entry in _folders(root):
        if entry.name[0] == ".":
            found[UNDER_WAY] += bytes_below(Path(entry.path))
    known = {*KINDS, CACHE, PARTIAL, LOGS}
    for path in root.iterdir():
        if path.name not in known:
            found[OTHERS] += bytes_below(path)
    return found


def bytes_below(place: Path) -> int:
    """Of a file, or of all files in a folder; 0 where nothing is."""
    if place.is_file():
        return _bytes(place)
    return sum(map(_bytes, files_below(place)))


def _bytes(file: Path | os.DirEntry[str]) -> int:
    """0 for one that is gone meanwhile."""
    with suppress(FileNotFoundError):
        return file.stat().st_size
    return 0


def size(count: float) -> str:
    """Bytes in the largest unit of 1000 that leaves a digit."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def files_below(place: Path) -> Iterator[os.DirEntry[str]]:
    """The files of a folder and of those in it; links to folders are not followed."""
    with suppress(FileNotFoundError), os.scandir(place) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from files_below(Path(entry.path))
            elif entry.is_file():
                yield entry


def _folders(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    for kind in KINDS:
        with suppress(FileNotFoundError), os.scandir(root / kind) as entries:
            yield from ((kind, entry) for entry in entries if entry.is_dir())


def _node(folder: str) -> StoredNode:
    sizes = dict[str, int]()
    finished = 0.0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                sort = STATES if entry.name == TRANSIENT else OTHERS
                size = bytes_below(Path(entry.path))
            else:
                sort, size = _sort(entry.name), _bytes(entry)
                if entry.name == MANIFEST:
                    with suppress(FileNotFoundError):
                        finished = entry.stat().st_mtime
            sizes[sort] = sizes.get(sort, 0) + size
    return StoredNode(sizes, finished)


def _sort(file: str) -> str:
    if file.endswith(_SUFFIX):
        return WEIGHTS
    return ANSWERS if file == PREDICTIONS else OTHERS
