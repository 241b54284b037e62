"""What is read in a store stays in it: a store, its manifests and records may be somebody else's,
who would like another place read, or removed."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from harness.errors import ConfigError, DataError
from harness.store.hashing import resolved_folder

_DEPTH = 3  # how far below its root what is no node of a store is looked through


def is_name(text: object) -> bool:
    """Can it be the name of one file or folder, and of no other place?"""
    return isinstance(text, str) and text[:1] not in ("", ".") and not set(text) & set("/\\\0")


def require_names(*parts: object) -> None:
    """Raise DataError for a kind, a key or a run that is no plain name."""
    for part in parts:
        if not is_name(part):
            raise DataError(f"{part!r} is no name in a store")


def file_inside(root: Path, folder: Path, name: str) -> Path:
    """A file that a manifest lists, of a folder below `root`. Raises DataError where its name, or a
    link, leads out of them."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise DataError(f"{name!r} is no file of {folder}")
    path = folder / name
    real = path.resolve() if path.is_symlink() else resolved_folder(path.parent) / path.name
    if not real.is_relative_to(resolved_folder(root)):
        raise DataError(f"{path} is a link that leads out of {root}")
    return path


def leads_out(root: Path, entry: os.DirEntry[str]) -> bool:
    """Is it a link to what is not below `root`?"""
    return entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root.resolve())


@cache
def refuse_links(root: Path, nodes: tuple[str, ...]) -> None:
    """Raise ConfigError for a store with a link that leads out of it, through which something would
    be written or removed there; once a process. nodes: its folders of nodes, of which the files are
    looked at when they are used."""
    for entry in _below(root, nodes, 1):
        if leads_out(root, entry):
            raise ConfigError(
                f"store.root={root}: {os.path.relpath(entry.path, root)} is a link that leads out "
                "of the store; remove it, or bring here what it leads to"
            )


def _below(folder: Path, nodes: tuple[str, ...], depth: int) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:  # not there, no folder any more, or not ours to read
        return
    for entry in entries:
        yield entry
        last = depth == _DEPTH or not entry.is_dir(follow_symlinks=False)
        if not last:
            of_nodes = depth == 1 and entry.name in nodes
            yield from _below(Path(entry.path), nodes, _DEPTH if of_nodes else depth + 1)
