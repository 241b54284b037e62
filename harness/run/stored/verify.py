"""Nodes against what their manifests say: every file is read once, side by side.

A manifest holds size and sha256 of each file. Of the manifest itself there is no sum: it must name
its own place, and what it tells as the identity of the work must have the node's content key. The
state of an optimizer (`engine/`) and the note of dropped weights are in no manifest.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from harness.errors import DataError
from harness.store.contents import Name
from harness.store.files import file_sha256
from harness.store.inside import file_inside
from harness.store.keys import node_key
from harness.store.layout import DROPPED, MANIFEST, SCORES
from harness.store.store import Store

AHEAD = 1000  # nodes whose files wait to be read at a time
READERS = min(8, 2 * (os.cpu_count() or 1))  # files that are read at a time
OLD = "0.1."  # version whose keys are of another scheme


@dataclass(frozen=True)
class Fault:
    """What is wrong with a node: the file, and what of it. unread: the file is there and cannot be
    read, which a disk or a server may get over."""

    name: Name
    file: str
    what: str
    unread: bool = False

    @property
    def line(self) -> str:
        """In words."""
        return f"{'/'.join(self.name)}/{self.file}: {self.what}"


@dataclass
class Checked:
    """What was looked at: nodes, files and their bytes."""

    nodes: int = 0
    files: int = 0
    bytes: int = 0


def faults(store: Store, names: Iterable[Name], checked: Checked) -> Iterator[Fault]:
    """What is wrong with these nodes, in their order; `checked` counts along."""
    left = iter(names)
    with ThreadPoolExecutor(READERS) as threads:
        while some := list(islice(left, AHEAD)):
            under_way = [(name, list(_asked(store, name, threads))) for name in some]
            for name, answers in under_way:
                checked.nodes += 1
                yield from _of_node(name, answers, checked)


def _of_node(
    name: Name, answers: "list[_Seen | Future[_Seen]]", checked: Checked
) -> Iterator[Fault]:
    for answer in answers:
        found = answer if isinstance(answer, _Seen) else answer.result()
        checked.files += found.size is not None
        checked.bytes += found.size or 0
        if found.what:
            yield Fault(name, found.file, found.what, found.unread)


@dataclass(frozen=True)
class _Seen:
    """A file that was looked at, what is wrong with it, if anything, how much was read, and whether
    it could not be."""

    file: str
    what: str = ""
    size: int | None = None
    unread: bool = False


def _asked(
    store: Store, name: Name, threads: ThreadPoolExecutor
) -> "Iterator[_Seen | Future[_Seen]]":
    """What is wrong with a manifest, at once, else the checks of all files that it lists. Nothing
    of a node that is gone."""
    try:
        manifest = store.manifest(*name)
        listed, what = _listed(manifest), _misplaced(manifest, name)
    except OSError as error:
        if not isinstance(error, FileNotFoundError) or store.path(*name).is_dir():
            yield _refused(MANIFEST, error)
        return
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        yield _Seen(MANIFEST, f"cannot be read as JSON of a node ({type(error).__name__})")
        return
    yield _Seen(MANIFEST, what)
    try:
        gone = _dropped(store, name)
    except OSError as error:
        yield _refused(DROPPED, error)
        return
    except (ValueError, TypeError):
        yield _Seen(DROPPED, "is not the note of dropped weights that was written")
        return
    for file, (sha, size) in listed.items():
        if file not in gone:
            yield threads.submit(_file, store, name, file, sha, size)
    for file in set(gone) - set(listed):
        yield _Seen(DROPPED, f"names {file}, which the manifest does not")


def _refused(file: str, error: OSError) -> _Seen:
    if isinstance(error, FileNotFoundError):
        return _Seen(file, "is missing")
    return _Seen(file, f"cannot be read ({error.strerror or error})", unread=True)


def _listed(manifest: dict[str, Any]) -> dict[str, tuple[str, int | None]]:
    """File -> sha256 and size in bytes, as a manifest tells them. Raises ValueError, TypeError,
    LookupError or AttributeError for one that does not."""
    stamps = manifest.get("stamps", {})
    found = {
        file: (sha, int(stamps[file][0]) if file in stamps else None)
        for file, sha in manifest["files"].items()
    }
    if any("\0" in file for file in found):
        raise ValueError("no name of a file")
    return found


def _dropped(store: Store, name: Name) -> dict[str, int]:
    """As the store tells it. Raises ValueError or TypeError for a note that is none."""
    gone = store.dropped(*name)
    if not isinstance(gone, dict):
        raise TypeError("no table")
    return gone


def _misplaced(manifest: dict[str, Any], name: Name) -> str:
    """What a manifest tells that does not go with its place."""
    if (manifest.get("kind"), manifest.get("key")) != name:
        return "is that of another node"
    told, old = manifest.get("identity"), str(manifest.get("harness_version", "")).startswith(OLD)
    if told is not None and not old and node_key(told) != name[1]:
        return "its identity has another content key: it was changed"
    return ""


def _file(store: Store, name: Name, file: str, sha: str, size: int | None) -> _Seen:
    """Compare one file: its size first, which needs no reading, then its bytes; then whether scores
    can be scores, although they are what was written."""
    held = 0
    try:
        path = file_inside(store.root, store.path(*name), file)
        held = path.stat().st_size
        if size is not None and held != size:
            cut = "is cut off" if held < size else "has grown"
            return _Seen(file, f"{cut}: it holds {held:,} of {size:,} bytes", 0)
        if file_sha256(path) != sha:
            return _Seen(file, "its bytes are others than were written (sha256 differs)", held)
        if file == SCORES:
            store.scores(*name)
    except DataError as error:
        return _Seen(file, str(error), held)
    except FileNotFoundError as error:
        with suppress(OSError, ValueError, TypeError):  # a run may have dropped it since
            if not store.path(*name).is_dir() or file in _dropped(store, name):
                return _Seen(file)
        return _refused(file, error)
    except OSError as error:
        return _refused(file, error)
    return _Seen(file, size=held)


def remove(store: Store, found: Iterable[Fault]) -> tuple[list[Name], list[Name]]:
    """Remove the nodes that are broken, so that the next run that needs them makes them again;
    returns those that are gone and those that somebody works on. Once their locks are had they are
    looked at again, since a run may have made one anew. One of which a file cannot be read stays.
    """
    wanted, gone = _broken(found), list[Name]()
    with store.locks(wanted) as held:
        for name in _broken(faults(store, held.nodes, Checked())):
            with suppress(FileNotFoundError):
                store.remove(*name, held.token)
                gone.append(name)
    return gone, [name for name in wanted if name not in set(held.nodes)]


def _broken(found: Iterable[Fault]) -> list[Name]:
    """The nodes of faults that are no matter of reading."""
    told = list(found)
    return sorted({fault.name for fault in told} - {fault.name for fault in told if fault.unread})
