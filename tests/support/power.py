"""What a disk may hold after a loss of power, at any moment of what a process did.

The bytes of a file are sure since it was synced, the names in a folder since that was. Whatever
came later may be there or not, each for itself: a rename without the bytes of what it names, too.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

Names = dict[int, dict[str, int]]  # folder -> name -> file or folder, all by inode
Data = dict[int, tuple[bytes, int]]  # file -> its bytes, and its time in ns
CALLS = ("fsync", "rename", "replace", "mkdir", "unlink", "remove", "rmdir", "link")
Tree = dict[str, "Tree | tuple[bytes, int]"]


@dataclass
class Disk:
    """A folder under record. names, data: as they are, that of files that are gone included;
    sure_names, sure_data: what was synced of them."""

    root: Path
    names: Names = field(default_factory=dict)
    data: Data = field(default_factory=dict)
    sure_names: Names = field(default_factory=dict)
    sure_data: Data = field(default_factory=dict)
    cuts: list[Tree] = field(default_factory=list)
    _open: dict[int, int] = field(default_factory=dict)

    def record(self, patch: pytest.MonkeyPatch) -> None:
        """From here on; what is there is sure."""
        self._look()
        self.sure_names, self.sure_data = dict(self.names), dict(self.data)
        for call in CALLS:
            patch.setattr(os, call, self._recorded(call, getattr(os, call)))

    def _recorded(self, name: str, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            self.cut()
            done = real(*args, **options)
            self._look()
            if name == "fsync":
                inode = os.fstat(args[0]).st_ino
                for now, sure in ((self.names, self.sure_names), (self.data, self.sure_data)):
                    if inode in now:
                        sure[inode] = now[inode]
            self.cut()
            return done

        return call

    def cut(self) -> None:
        """The power is lost now: note all that the disk may hold."""
        self._look()
        self.cuts += [tree for tree in self.possible() if tree not in self.cuts]

    def possible(self) -> Iterator[Tree]:
        """What it may hold now."""
        changed = {inode for inode in self.names if self.names[inode] != self._sure(inode)}
        some = chain.from_iterable(combinations(changed, size) for size in range(len(changed) + 1))
        held = [{inode: self.names[inode] for inode in early} for early in some]
        # Of one folder what was removed is gone, and what came in its place is not there.
        held.append({inode: self._only_removed(inode) for inode in changed})
        for names in held:
            for late in (False, True):
                yield self._tree(os.stat(self.root).st_ino, self.sure_names | names, late)

    def _sure(self, inode: int) -> dict[str, int]:
        return self.sure_names.get(inode, {})

    def _only_removed(self, inode: int) -> dict[str, int]:
        there = self.names[inode]
        return {name: held for name, held in self._sure(inode).items() if name in there}

    def _tree(self, folder: int, names: Names, late: bool) -> Tree:
        """late: only synced bytes are there, zeros elsewhere."""
        found: Tree = {}
        for name, inode in sorted(names.get(folder, {}).items()):
            if inode in self.names:
                found[name] = self._tree(inode, names, late)
            else:
                content, time = self.data[inode]
                lost = bytes(len(content)), time
                found[name] = self.sure_data.get(inode, lost) if late else (content, time)
        return found

    def _look(self) -> None:
        for folder, folders, files in os.walk(self.root):
            here = {}
            for name in (*folders, *files):
                path = Path(folder, name)
                status = path.stat()
                here[name] = status.st_ino
                self._hold(path, status.st_ino)
                if name in files:
                    self.data[status.st_ino] = path.read_bytes(), status.st_mtime_ns
            self.names[os.stat(folder).st_ino] = here

    def _hold(self, path: Path, inode: int) -> None:
        """Nothing else gets its inode while it is open."""
        if inode not in self._open:
            self._open[inode] = os.open(path, os.O_RDONLY)

    def close(self) -> None:
        """Let go of what it has open."""
        for descriptor in self._open.values():
            os.close(descriptor)


def restore(tree: Tree, place: Path) -> Path:
    """A folder that holds it, with its times."""
    place.mkdir(parents=True)
    for name, held in tree.items():
        if isinstance(held, dict):
            restore(held, place / name)
        else:
            (place / name).write_bytes(held[0])
            os.utime(place / name, ns=(held[1], held[1]))
    return place
