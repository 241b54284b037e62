"""Nodes against what their manifests say: every file is read once, side by side.

A manifest holds size and sha256 of each file. Of the manifest itself there is no sum: it must name
its own place, and what it tells as the identity of the work must have the node's content key. The
state of an optimizer (`engine/`) and the note of dropped weights are in no manifest.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from harness.store.contents import Name
from harness.store.files import file_sha256
from harness.store.keys import node_key
from harness.store.layout import DROPPED, MANIFEST, SCORES
from harness.store.store import Store

AHEAD = 1000  # nodes whose files wait to be read at a time
READERS = min(8, 2 * (os.cpu_count() or 1))  # files that are read at a time
OLD = "0.1."  # version whose keys are of another scheme


@dataclass(frozen=True)
class Fault:
    """What is wrong with a node: the file, and what of it."""

    name: Name
    file: str
    what: str

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
            yield Fault(name, found.file, found.what)


@dataclass(frozen=True)
class _Seen:
    """A file that was looked at, what is wrong with it, if anything, and how much was read."""

    file: str
    what: str = ""
    size: int | None = None


def _asked(
    store: Store, name: Name, threads: ThreadPoolExecutor
) -> "Iterator[_Seen | Future[_Seen]]":
    """What is wrong with a manifest, at once, else the checks of all files that it lists."""
    try:
        manifest = store.manifest(*name)
        files, stamps = manifest["files"], manifest.get("stamps", {})
        gone = store.dropped(*name)
        what = _misplaced(manifest, name)
    except FileNotFoundError:
        yield _Seen(MANIFEST, "is missing")
        return
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        yield _Seen(MANIFEST, f"cannot be read as JSON of a node ({type(error).__name__})")
        return
    yield _Seen(MANIFEST, what)
    for file, sha in files.items():
        if file not in gone:
            size = stamps.get(file, [None])[0]
            yield threads.submit(_file, store, name, file, sha, size)
    for file in set(gone) - set(files):
        yield _Seen(DROPPED, f"names {file}, which the manifest does not")


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
    path = store.path(*name) / file
    try:
        held = path.stat().st_size
        if size is not None and held != size:
            cut = "is cut off" if held < size else "has grown"
            return _Seen(file, f"{cut}: it holds {held:,} of {size:,} bytes", 0)
        if file_sha256(path) != sha:
            return _Seen(file, "its bytes are others than were written (sha256 differs)", held)
    except FileNotFoundError:
        return _Seen(file, "is missing")
    except OSError as error:
        return _Seen(file, f"cannot be read ({error.strerror})")
    wrong = store.wrong(*name) if file == SCORES else None
    return _Seen(file, wrong or "", held)


def remove(store: Store, names: Iterable[Name]) -> tuple[list[Name], list[Name]]:
    """Remove nodes, so that the next run that needs them makes them again; returns those that are
    gone and those that somebody works on."""
    wanted = list(names)
    with store.locks(wanted) as held:
        for name in held.nodes:
            store.remove(*name, held.token)
    return held.nodes, [name for name in wanted if name not in set(held.nodes)]
