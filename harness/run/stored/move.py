"""A store in another place, and two stores in one.

Nodes are never changed once they are there, so two stores may share their files (hard links); a
file keeps its time, by which its hash is known. Where a node names a place inside its store (an
adapter whose base model was converted there, rows that tasks have in common), it names the new one
afterwards: the node is made anew beside the old one and takes its place.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from errno import EXDEV
from pathlib import Path

from harness.errors import ConfigError, DataError, StageFailed, require
from harness.store.contents import Name, files_below, present
from harness.store.files import entries_below, file_sha256, write_atomically, write_json
from harness.store.folders import filled, require_writable
from harness.store.hashing import stamp
from harness.store.layout import (
    BROKEN,
    CACHE,
    CONVERTED,
    FORMAT,
    JUDGE_REPLIES,
    LOGS,
    MANIFEST,
    RUNS,
    RUNS_READ,
    SUITES,
)
from harness.store.store import Store

TEXTS = (".json", ".yaml", ".md", ".py")  # files of a node that may name places
_NOT_BEHIND = rb"(?<![\w./~+%@\x80-\xff-])"  # characters of a path
_MARKS = (FORMAT, RUNS, RUNS_READ)


@dataclass
class Joined:
    """What came from another store: nodes, and files that were linked or copied; how many nodes
    were there already, and how many are broken in the other store or hold links, which did not
    come."""

    nodes: int = 0
    linked: int = 0
    copied: int = 0
    there: int = 0
    broken: int = 0


def is_store(root: Path) -> bool:
    """Does a folder hold what stores hold?"""
    if not root.is_dir():
        return False
    return any((root / part).exists() for part in _MARKS) or any(
        (root / kind / key / MANIFEST).is_file() for kind, key in present(root)
    )


def move(store: Store, target: Path) -> int:
    """Have a store be another folder of its file system, which is not there, by one rename; returns
    how many nodes name the new place instead of the old one. Raises ConfigError before anything is
    done, DataError where nodes still name the old place."""
    target, root = target.absolute(), store.root
    require(is_store(root), f"--store {root}: is no store")
    require(not root.is_symlink(), f"--store {root}: is a link; name the folder it leads to")
    require(not target.is_symlink(), f"move {target}: is a link; name a folder that is not there")
    _require_apart(root, target)
    if is_store(target):
        raise ConfigError(
            f"move {target}: is a store already; to bring into it what it lacks: "
            f"`python -m harness store move {target} --from {root}`"
        )
    require(not target.exists(), f"move {target}: is there already; name a folder that is not")
    for who in store.leases.holders():
        raise ConfigError(f"move {target}: {who} works in {root}; end it first")
    above = next(path for path in target.parents if path.exists())
    require(above.stat().st_dev == root.stat().st_dev, _elsewhere(root, target))
    require_writable(root, "--store")
    require_writable(target.parent, "move")
    try:
        os.rename(root, target)
    except OSError as error:
        require(error.errno != EXDEV, _elsewhere(root, target))  # a mount of the same device
        raise
    return mend(Store(target), root)


def _elsewhere(root: Path, target: Path) -> str:
    return (
        f"move {target}: is on another file system; `python -m harness store move {target} --from "
        f"{root}` copies into it; remove {root} when you are content"
    )


def mend(store: Store, root: Path) -> int:
    """Have the nodes of a store that was at `root` name its place now; returns how many did not.
    Whatever is mended stays so. A node that is broken is left as it is. Raises DataError."""
    try:
        named = [name for name in sorted(present(store.root)) if _naming(store.path(*name), root)]
        named = [name for name in named if store.done(*name)]
        with store.locks(named) as held:
            for name in held.nodes:
                place = store.path(*name)
                with filled(place, store.leases, held.token) as new:
                    _fill(place, new, root, store.root, Joined())
        if len(held.nodes) < len(named):
            raise DataError("a process works on them")
    except (OSError, DataError, StageFailed) as error:
        raise DataError(
            f"{store.root}: is the store now, but nodes in it still name {root} ({error}); "
            f"`python -m harness store move {store.root} --store {root}` goes on"
        ) from error
    return len(named)


def join(target: Store, source: Store) -> Joined:
    """Bring what one store has and the other lacks; the source stays as it is. Nodes of the target
    that are there are left, and those that somebody makes there now. Raises ConfigError."""
    _require_apart(source.root, target.root)
    require(is_store(source.root), f"--from {source.root}: is no store")
    if target.root.exists() and any(target.root.iterdir()):
        require(is_store(target.root), f"move {target.root}: is not empty, and no store")
    require_writable(target.root, "move")
    target.of_before()
    # First, as `clean --unused` leaves what a run uses.
    _bring_records(target.root, source.root)
    done, before = Joined(), present(target.root)
    there = sorted(present(source.root))
    done.there = sum(name in before for name in there)
    with target.locks([name for name in there if name not in before]) as held:
        for name in held.nodes:
            if _links(source.path(*name)) or not source.done(*name):
                done.broken += 1
                continue
            with suppress(FileNotFoundError):  # weights that are dropped meanwhile: next time
                _bring(target, source, name, held.token, done)
    _bring_caches(target.root, source.root)
    return done


def _bring(target: Store, source: Store, name: Name, token: str, done: Joined) -> None:
    """One node, for the holder of its lock, unless it was made before that."""
    place = target.path(*name)
    if not place.exists():
        with filled(place, target.leases, token) as new:
            _fill(source.path(*name), new, source.root, target.root, done)
        done.nodes += 1


def _fill(old: Path, new: Path, root: Path, target: Path, done: Joined) -> None:
    """Have a folder be a node: its files linked, or copied with their times; those that name its
    store written anew, with another hash in the manifest."""
    for entry in files_below(old):
        place = new / Path(entry.path).relative_to(old)
        place.parent.mkdir(parents=True, exist_ok=True)
        _link(Path(entry.path), place, done)
    named = _naming(new, root)
    if not named:
        return
    forms = _forms(root, target)
    for path in named:
        text = _pattern(forms).sub(lambda found: forms[found[0]], path.read_bytes())
        write_atomically(path, text)
    _write_manifest(new, named)


def _write_manifest(folder: Path, changed: list[Path]) -> None:
    """With the hashes of files that were written anew."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    for path in changed:
        name = path.relative_to(folder).as_posix()
        if name in manifest["files"]:
            manifest["files"][name] = file_sha256(path)
            manifest.setdefault("stamps", {})[name] = stamp(path)
    write_json(folder / MANIFEST, manifest)


def _naming(folder: Path, root: Path) -> list[Path]:
    """The files of a node that name a place in its store. Of its manifest, which says how it was
    made, nothing is read as a place."""
    found, pattern = [], _pattern(_forms(root, root))
    for entry in files_below(folder):
        if entry.name.endswith(TEXTS) and entry.name != MANIFEST:
            path = Path(entry.path)
            if pattern.search(path.read_bytes()):
                found.append(path)
    return sorted(found)


def _forms(root: Path, target: Path) -> dict[bytes, bytes]:
    """What stands before places in a store, as it is and as JSON may write it, by its name that was
    given or without links -> what stands there for another one."""
    before, after = (root.absolute(), root.resolve()), f"{target.absolute()}/"
    forms = {json.dumps(f"{path}/")[1:-1].encode(): json.dumps(after)[1:-1] for path in before}
    forms |= {f"{path}/".encode(): after for path in before}
    return {form: new.encode() for form, new in forms.items()}


def _pattern(forms: Iterable[bytes]) -> re.Pattern[bytes]:
    """Where a text has one of these, and not within a longer path."""
    return re.compile(_NOT_BEHIND + b"(?:" + b"|".join(map(re.escape, forms)) + b")")


def _link(source: Path, target: Path, done: Joined) -> None:
    try:
        os.link(source, target)
        done.linked += 1
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
        done.copied += 1


def _links(place: Path) -> bool:
    """Is a folder, or anything in it, a link? What a link leads to is none of a store's."""
    return place.is_symlink() or any(entry.is_symlink() for entry in entries_below(place))


def _bring_records(target: Path, source: Path) -> None:
    """Which runs there are, what they read, how work ended that has no result, and what ranks
    printed. A run that both know keeps the target's record."""
    for part in (RUNS, RUNS_READ, BROKEN):
        for path in sorted((source / part).glob("*.json")):
            place = target / part / path.name
            if not place.exists() and not path.is_symlink():
                time = path.stat()
                write_atomically(place, path.read_bytes())
                os.utime(place, ns=(time.st_atime_ns, time.st_mtime_ns))
    for folder in _absent(source / LOGS, target / LOGS):
        _copy_whole(folder, target / LOGS / folder.name)


def _bring_caches(target: Path, source: Path) -> None:
    """What nodes or configurations name there, or what cost money; the rest is made again."""
    for part in (CONVERTED, SUITES):
        for folder in _absent(source / CACHE / part, target / CACHE / part):
            _copy_whole(folder, target / CACHE / part / folder.name)
    replies, place = source / CACHE / JUDGE_REPLIES, target / CACHE / JUDGE_REPLIES
    if replies.is_file() and not replies.is_symlink() and not place.exists():
        write_atomically(place, replies.read_bytes())


def _absent(source: Path, target: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        for path in sorted(source.iterdir()):
            hidden = path.name.startswith(".") or _links(path)
            if not hidden and not (target / path.name).exists():
                yield path


def _copy_whole(source: Path, target: Path) -> None:
    """A file or a folder that appears whole, its files linked where that is possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    if source.is_dir():
        beside.mkdir()
        for entry in files_below(source):
            place = beside / Path(entry.path).relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            _link(Path(entry.path), place, Joined())
    else:
        _link(source, beside, Joined())
    with suppress(OSError):  # somebody was faster
        os.rename(beside, target)
    shutil.rmtree(beside, ignore_errors=True)


def _require_apart(root: Path, target: Path) -> None:
    """Raise ConfigError unless two places have nothing in common."""
    here, there = root.resolve(), target.resolve()
    require(here != there, f"move {target}: is that very store")
    require(not there.is_relative_to(here), f"move {target}: lies in the store {root} itself")
    require(not here.is_relative_to(there), f"move {target}: the store {root} lies in it")
