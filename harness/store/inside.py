"""What is read in a store stays in it: a store, its manifests and records may be somebody else's,
who would like another place read, or removed."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from harness.errors import ConfigError, DataError
from harness.store.files import require_regular
from harness.store.hashing import resolved_folder
from harness.store.layout import CACHE, PARTS

_DEPTH = 3  # how far below its root what is no node of a store is looked through


def is_name(text: object) -> bool:
    """Can it be the name of one file or folder, and of no other place?"""
    if not isinstance(text, str) or text[:1] in ("", "."):
        return False
    return text.isprintable() and not set(text) & set("/\\")


def require_names(*parts: object) -> None:
    """Raise DataError for a kind, a key or a run that is no plain name."""
    for part in parts:
        if not is_name(part):
            raise DataError(f"{part!r} is no name in a store")


def file_inside(root: Path, folder: Path, name: str) -> Path:
    """A file that a manifest lists, of a folder below `root`. Raises DataError where its name, or a
    link, leads out of them, and for what is no regular file; the part of the root may be a link
    (train/, on another disk)."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise DataError(f"{name!r} is no file of {folder}")
    path = folder / name
    real = path.resolve() if path.is_symlink() else resolved_folder(path.parent) / path.name
    part = root.joinpath(*folder.relative_to(root).parts[:1])
    if not any(real.is_relative_to(resolved_folder(place)) for place in (root, part)):
        raise DataError(f"{path} is a link that leads out of {root}")
    require_regular(path)
    return path


@cache
def refuse_links(root: Path, nodes: tuple[str, ...]) -> None:
    """Raise ConfigError for a store with a link that leads out of it, through which something would
    be written or removed there; once a process. A part of it may be one that leads to a folder, on
    another disk say: train/, logs/, cache/models/. nodes: its folders of nodes, of which the files
    are looked at when they are used."""
    for entry in _entries(root):
        if entry.name not in (*nodes, *PARTS):
            continue
        depth = _DEPTH if entry.name in nodes else 2
        for link in _leading_out(entry, [root.resolve()], depth):
            raise ConfigError(
                f"store.root={root}: {os.path.relpath(link.path, root)} is a link that leads out "
                "of the store; remove it, or bring here what it leads to"
            )


def _leading_out(
    part: os.DirEntry[str], inside: list[Path], depth: int
) -> Iterator[os.DirEntry[str]]:
    """The links of a part, and in it, that lead elsewhere than into these folders and itself;
    depth: of what is in it."""
    if not part.is_dir():
        yield from (entry for entry in [part] if _is_out(entry, inside))
        return
    inside = [*inside, Path(part.path).resolve()]
    for entry in _entries(Path(part.path)):
        if part.name == CACHE and depth < _DEPTH:
            yield from _leading_out(entry, inside, depth + 1)
        else:
            yield from _links_out(entry, inside, depth)


def _links_out(
    entry: os.DirEntry[str], inside: list[Path], depth: int
) -> Iterator[os.DirEntry[str]]:
    if _is_out(entry, inside):
        yield entry
    elif depth < _DEPTH and entry.is_dir(follow_symlinks=False):
        for below in _entries(Path(entry.path)):
            yield from _links_out(below, inside, depth + 1)


def _is_out(entry: os.DirEntry[str], inside: list[Path]) -> bool:
    if not entry.is_symlink():
        return False
    real = Path(entry.path).resolve()
    return not any(real.is_relative_to(folder) for folder in inside)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where it is none, or not ours to read."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []
