"""Where finished work lives: immutable nodes, written beside and renamed, locked while in work.

`<root>/<kind>/<key>/` holds a node's files and `manifest.json` (sha256 of every file), which is
written last; a node without it does not exist. Several machines may work on one store: `leases/`
says which processes do, `locks/` on what; `partial/` keeps what is done of unfinished nodes.
Imports no torch.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import DAMAGED, DataError
from harness.store import locks
from harness.store.files import entries, write_json
from harness.store.folders import filled, working_path
from harness.store.hashing import stamp
from harness.store.inside import file_inside, refuse_links, require_names
from harness.store.kept import Kept
from harness.store.keys import KEY_SCHEME, FileHashes
from harness.store.layout import (
    DROPPED,
    FORMAT,
    HASHES,
    LEASES,
    LOCKS,
    MANIFEST,
    PARTIAL,
    SCORES,
    TRANSIENT,
    cache_place,
)
from harness.store.leases import SILENCE_SECONDS, Leases
from harness.store.scores import ScoreRow, wrong_score
from harness.store.work import KINDS

CHANGED = "is not what was written"


@dataclass(frozen=True)
class Damage:
    """A file of a node, and what is wrong with it, in words."""

    file: str
    what: str


@dataclass(frozen=True)
class Held:
    """(kind, key) of the nodes whose locks were taken, and the token of the lease that has them;
    without any there is no lease."""

    nodes: list[tuple[str, str]]
    token: str


class Store:
    """The store of one root folder. Raises ConfigError where links in it lead out of it, and
    DataError for a kind or key of work that is no plain name.

    compared: (kind, key) of nodes whose bytes this process has found to be what was written.
    silence: seconds without a sign of life after which another machine may take over what a
        process of this one works on.
    """

    def __init__(self, root: str | Path, silence: float = SILENCE_SECONDS) -> None:
        self.root = Path(root).absolute()
        refuse_links(self.root, tuple(KINDS))
        self.hashes = FileHashes(cache_place(self.root, HASHES))
        self.leases = Leases(self.root / LEASES, silence=silence)
        self.compared = set[tuple[str, str]]()

    def of_before(self) -> str:
        """One line on the nodes of version 0.1 that are still there, empty where none is.

        Their keys are of another scheme. They are looked for once, when a store is first opened.
        """
        path = self.root / FORMAT
        try:
            listed = json.loads(path.read_text())["version_0.1"]
        except DAMAGED:
            listed = self._nodes_of_0_1()
            write_json(path, {"key_scheme": KEY_SCHEME, "version_0.1": listed})
        there = sum((self.root / name / MANIFEST).is_file() for name in listed)
        if not there:
            return ""
        return (
            f"store.root={self.root}: {there} nodes are of version 0.1, whose content keys differ: "
            "none is used again, their runs stay in the tables; to be rid of both, delete what "
            f"{FORMAT} lists"
        )

    def _nodes_of_0_1(self) -> list[str]:
        """<kind>/<key> of nodes with keys of version 0.1; what was imported has its keys still."""
        found = []
        for path in sorted(self.root.glob(f"*/*/{MANIFEST}")):
            try:
                about = json.loads(path.read_text())
                old = str(about.get("harness_version", "")).startswith("0.1.")
                ours = about.get("model", {}).get("kind") != "imported"
            except DAMAGED:
                continue
            if old and ours:
                found.append(path.parent.relative_to(self.root).as_posix())
        return found

    def path(self, kind: str, key: str) -> Path:
        """Folder of a node, whether it exists or not."""
        require_names(kind, key)
        return self.root.joinpath(kind, key)

    def working_path(self, kind: str, key: str, token: str) -> Path:
        """Where the holder of a lease writes a node before it is complete."""
        return working_path(self.path(kind, key), token)

    def partial_path(self, kind: str, key: str) -> Path:
        """Where parts of a node's work are kept until it is done, for whoever goes on with it."""
        require_names(kind, key)
        return self.root / PARTIAL / kind / key

    def kept(self, kind: str, key: str, token: str) -> Kept:
        """What the holder of a lease keeps of a node's work while it runs, there as well."""
        return Kept(self.partial_path(kind, key), self.leases, token)

    def claims_path(self, group: str, token: str) -> Path:
        """Where the ranks that work for a lease claim parts of a group of work."""
        return working_path(self.root / PARTIAL / group, token)

    def done(self, kind: str, key: str) -> bool:
        """True where the manifest is there, every file it lists has the listed hash, and every
        score is one. Weights that were dropped on purpose may be gone: see `whole`."""
        return self.damage(kind, key) is None

    def damage(self, kind: str, key: str) -> Damage | None:
        """What keeps a node from being done, the first thing of it; its manifest, where it is not
        there at all. A file is read where its size or time are not those that it was written
        with."""
        try:
            folder = self.path(kind, key)
            manifest, gone = self.manifest(kind, key), self.dropped(kind, key)
            stamps = manifest.get("stamps", {})
            for name, sha in manifest["files"].items():
                what = "" if name in gone else self._harm(folder, name, sha, stamps.get(name))
                if what:
                    return Damage(name, what)
            wrong = self.wrong(kind, key)
        except FileNotFoundError:
            return Damage(MANIFEST, "is gone")
        except DAMAGED:
            return Damage(MANIFEST, CHANGED)
        return None if wrong is None else Damage(SCORES, wrong)

    def _harm(self, folder: Path, name: str, sha: str, written: list[int] | None) -> str:
        """What of a file is not as it was written, in words."""
        path = file_inside(self.root, folder, name)
        try:
            if self.hashes.file(path, sha, written) == sha:
                return ""
            return "is cut short" if written and path.stat().st_size < written[0] else CHANGED
        except FileNotFoundError:
            return "is gone"
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"

    def dropped(self, kind: str, key: str) -> dict[str, int]:
        """The files of a node that were let go to save space, and how many values each held."""
        path = self.path(kind, key) / DROPPED
        return json.loads(path.read_text()) if path.is_file() else {}

    def whole(self, kind: str, key: str) -> bool:
        """True where a node is done and nothing of it was dropped."""
        return self.done(kind, key) and not self.dropped(kind, key)

    def wrong(self, kind: str, key: str, unit: str | None = None) -> str | None:
        """What of a node's scores cannot be one, in words; null where nothing is, or where there
        is no such node. unit: of rows that have none."""
        folder = self.path(kind, key)
        if not (folder / SCORES).is_file() or not (folder / MANIFEST).is_file():
            return None
        try:
            self.scores(kind, key, unit)
        except (DataError, OSError) as error:
            return str(error)
        return None

    def scores(self, kind: str, key: str, unit: str | None = None) -> list[ScoreRow]:
        """A node's rows of scores. Raises DataError, which says what of them cannot be one, and
        OSError where there is no such file. unit: of rows that have none."""
        try:
            rows = self.read(kind, key, SCORES)
            problem = wrong_score(rows, unit)
        except OSError:
            raise
        except DAMAGED:
            raise DataError(f"{SCORES} holds no rows of scores") from None
        if problem:
            raise DataError(problem)
        return rows

    def manifest(self, kind: str, key: str) -> dict[str, Any]:
        """The manifest of a node."""
        return self.read(kind, key, MANIFEST)

    def read(self, kind: str, key: str, name: str) -> Any:
        """One JSON file of a node."""
        return json.loads(file_inside(self.root, self.path(kind, key), name).read_text())

    @contextmanager
    def writing(
        self, kind: str, key: str, about: dict[str, Any], token: str | None = None
    ) -> Iterator[Path]:
        """A folder to fill; on leaving without an error it becomes the node.

        `about` goes into the manifest, and the size and time of every file with its hash, so that
        other processes need not read it again to know the hash. `token`: of the lease for which
        this process works; by default it takes one of its own. A folder that is there under the
        node's name without being `done` (a damaged node) is replaced.
        """
        started = time.time()
        with ExitStack() as stack:
            token = token or stack.enter_context(self.leases.taken())
            final = self.path(kind, key)
            working = stack.enter_context(filled(final, self.leases, token))
            yield working
            files = FileHashes().folder(working, without=TRANSIENT)
            manifest = {
                **about,
                "kind": kind,
                "key": key,
                "files": files,
                "stamps": {name: stamp(working / name) for name in files},
                "harness_version": __version__,
                "started": started,
                "finished": time.time(),
            }
            write_json(working / MANIFEST, manifest)

    def remove(self, kind: str, key: str, token: str) -> None:
        """Take away a whole node, for the holder of its lock; what a kill leaves is swept. Raises
        OSError where it cannot be."""
        shutil.rmtree(self.put_aside(kind, key, token))

    def put_aside(self, kind: str, key: str, token: str) -> Path:
        """Have a node not be there, for the holder of its lock; returns where it is until that one
        removes it or brings it back. Raises OSError where it cannot be."""
        aside = self.working_path(kind, key, token)
        os.rename(self.path(kind, key), aside)
        return aside

    @contextmanager
    def locks(self, nodes: list[tuple[str, str]]) -> Iterator[Held]:
        """Take the locks of those nodes that nobody else is working on, until the context ends."""
        gone = cache(self.leases.gone)
        with ExitStack() as stack:
            held: list[tuple[str, str]] = []
            token = ""
            for kind, key in nodes:
                lock = self._lock(kind, key)
                if not locks.free(lock, gone):
                    continue
                token = token or stack.enter_context(self.leases.taken())
                if locks.take(lock, token):
                    stack.callback(locks.release, lock, token)
                    held.append((kind, key))
            yield Held(held, token)

    def _lock(self, kind: str, key: str) -> Path:
        require_names(kind, key)
        return self.root / LOCKS / f"{kind}-{key}"

    def busy(self, kind: str, key: str) -> bool:
        """Does a process work on a node? Looks only."""
        return any(self.leases.living(token) for token in locks.holders(self._lock(kind, key)))

    def holder(self, kind: str, key: str) -> str:
        """Who works on a node, for a message."""
        tokens = locks.holders(self._lock(kind, key))
        return self.leases.holder(tokens[0]) if tokens else "another process"

    def sweep_leftovers(self) -> None:
        """Remove what processes that are gone were writing, and their locks."""
        gone = cache(self.leases.gone)
        for lock in (self.root / LOCKS).glob("[!.]*"):
            locks.free(lock, gone)
        kept = [work for kind in entries(self.root / PARTIAL) for work in entries(Path(kind.path))]
        folders = [Path(folder.path) for folder in (*entries(self.root), *kept)]
        begun = (entry for folder in folders for entry in entries(folder) if entry.name[0] == ".")
        self.leases.sweep(Path(entry.path) for entry in begun)
