"""Where finished work lives: immutable nodes, written beside and renamed, locked while in work.

`<root>/<kind>/<key>/` holds a node's files and `manifest.json` (sha256 of every file), which is
written last; a node without it does not exist. Imports no torch.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harness import __version__
from harness.store.files import write_json
from harness.store.folders import process_alive, require_writable, sync_files
from harness.store.keys import KEY_SCHEME, FileHashes

MANIFEST = "manifest.json"
FORMAT = "format.json"  # which keys a store has; one of version 0.1 has no such file
TRANSIENT = "engine"  # optimizer state kept for the next stage only; not part of a node


class Store:
    """The store of one root folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()
        self.hashes = FileHashes(self.root / "cache" / "hashes.json")

    def prepare(self) -> None:
        """Create the root. Raises ConfigError where it cannot be written."""
        require_writable(self.root, "store.root")

    def of_before(self) -> str:
        """One line on the nodes of version 0.1 that are still there, empty where none is.

        Their keys are of another scheme. They are looked for once, when a store is first opened.
        """
        path = self.root / FORMAT
        try:
            listed = json.loads(path.read_text())["version_0.1"]
        except (OSError, json.JSONDecodeError, KeyError):
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
            except (OSError, json.JSONDecodeError):
                continue
            old = str(about.get("harness_version", "")).startswith("0.1.")
            if old and about.get("model", {}).get("kind") != "imported":
                found.append(path.parent.relative_to(self.root).as_posix())
        return found

    def path(self, kind: str, key: str) -> Path:
        """Folder of a node, whether it exists or not."""
        return self.root / kind / key

    def working_path(self, kind: str, key: str, owner: int) -> Path:
        """Where a node is written before it is complete."""
        return self.root / kind / f".{key}.{owner}"

    def done(self, kind: str, key: str) -> bool:
        """True where the manifest is there and every file it lists has the listed hash."""
        folder = self.path(kind, key)
        try:
            listed = self.manifest(kind, key)["files"]
            return all(self.hashes.file(folder / name) == sha for name, sha in listed.items())
        except (OSError, KeyError, json.JSONDecodeError):
            return False

    def manifest(self, kind: str, key: str) -> dict[str, Any]:
        """The manifest of a node."""
        return json.loads((self.path(kind, key) / MANIFEST).read_text())

    def read(self, kind: str, key: str, name: str) -> Any:
        """One JSON file of a node."""
        return json.loads((self.path(kind, key) / name).read_text())

    @contextmanager
    def writing(self, kind: str, key: str, about: dict[str, Any], owner: int) -> Iterator[Path]:
        """A folder to fill; on leaving without an error it becomes the node.

        `about` goes into the manifest; `owner` is the process whose death makes the folder a
        leftover. A folder that is there under the node's name without being `done` (a damaged
        node) is replaced.
        """
        final = self.path(kind, key)
        working = self.working_path(kind, key, owner)
        shutil.rmtree(working, ignore_errors=True)
        working.mkdir(parents=True)
        started = time.time()
        try:
            yield working
            hashes = {
                name: sha
                for name, sha in FileHashes().folder(working).items()
                if not name.startswith(f"{TRANSIENT}/")
            }
            manifest = {
                **about,
                "kind": kind,
                "key": key,
                "files": hashes,
                "harness_version": __version__,
                "started": started,
                "finished": time.time(),
            }
            write_json(working / MANIFEST, manifest)
            sync_files(working)
            shutil.rmtree(final, ignore_errors=True)
            os.replace(working, final)
        except BaseException:
            shutil.rmtree(working, ignore_errors=True)
            raise

    @contextmanager
    def locks(self, nodes: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
        """Take the locks of those nodes that nobody else is working on; yields which.

        The kernel frees a lock when its holder dies, however it dies; the file says who holds it.
        """
        held: dict[tuple[str, str], IO[str]] = {}
        try:
            for kind, key in nodes:
                stream = self._try_lock(kind, key)
                if stream is not None:
                    held[kind, key] = stream
            yield list(held)
        finally:
            for stream in held.values():
                stream.close()

    def _try_lock(self, kind: str, key: str) -> IO[str] | None:
        path = self.root / "locks" / f"{kind}-{key}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            return None
        stream.seek(0)
        stream.truncate()
        stream.write(json.dumps({"pid": os.getpid(), "since": time.time()}))
        stream.flush()
        return stream

    def holder(self, kind: str, key: str) -> str:
        """Who works on a node, for a message."""
        path = self.root / "locks" / f"{kind}-{key}.lock"
        try:
            return f"process {json.loads(path.read_text())['pid']}"
        except (OSError, json.JSONDecodeError, KeyError):
            return "another process"

    def sweep_leftovers(self) -> None:
        """Remove working folders of processes that are gone."""
        for folder in self.root.glob("*/.*.*"):
            pid = folder.name.rpartition(".")[2]
            if folder.is_dir() and pid.isdigit() and not process_alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)
