"""Where the files of a TRACE archive lie: a zip or an unpacked folder, nested or not."""

import re
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

import yaml

from harness.data.rows import SPLITS
from harness.data.trace.zip_entries import LARGEST_FILE, zip_problems
from harness.errors import DataError

COUNTS = Path(__file__).with_name("trace_counts.yaml")
_TOO_LARGE = f"holds more than {LARGEST_FILE:,} bytes, which no file of TRACE does"
_SIZE = re.compile(r"(?:^|[^0-9a-z])(500|1000|5000|reasoning)$", re.IGNORECASE)


class Archive(Protocol):
    """Named members with bytes."""

    path: Path

    def names(self) -> list[str]:
        """Paths of all files below the archive's root, with forward slashes."""

    def read(self, name: str) -> bytes:
        """Bytes of one member, checked as far as the archive can. Raises DataError."""


class FolderArchive:
    """An unpacked archive, of which the files may be links, as those of a hub's snapshot are."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        found = (path for split in SPLITS for path in self.path.rglob(f"{split}.json"))
        return [path.relative_to(self.path).as_posix() for path in found]

    def read(self, name: str) -> bytes:
        try:
            if (self.path / name).stat().st_size > LARGEST_FILE:
                raise DataError(f"{self.path / name}: {_TOO_LARGE}")
            return (self.path / name).read_bytes()
        except OSError as error:
            raise DataError(f"{self.path / name}: cannot be read: {error.strerror}") from None


class ZipArchive:
    """A zip file; `read` checks a member's CRC. Nothing of it is ever unpacked under a name of its
    own, but tools of the user's may, so names that lead elsewhere are refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        refuse_other_kinds(path)

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except zipfile.BadZipFile:
            size = self.path.stat().st_size
            raise DataError(
                f"{self.path}: the zip file has no end ({size:,} bytes): the download was cut; "
                "remove it and fetch it again"
            ) from None

    def names(self) -> list[str]:
        members = self._zip.infolist()
        for problem in zip_problems(members):
            raise DataError(f"{self.path}: {problem}; take the archive from where it is published")
        return [m.filename for m in members if not m.filename.startswith("__MACOSX/")]

    def read(self, name: str) -> bytes:
        try:  # no more than the size that its entry tells, whatever comes out
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError):
            raise DataError(
                f"{self.path}: {name} is damaged (its checksum differs); remove the archive and "
                "fetch it again"
            ) from None
        except (RuntimeError, NotImplementedError) as error:
            raise DataError(f"{self.path}: {name} cannot be unpacked: {error}") from None


def refuse_other_kinds(path: Path) -> None:
    """Raise DataError where a file does not begin as a zip does, saying what it is instead."""
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(b"PK"):
        return
    if not head:
        raise DataError(f"{path}: the file is empty; fetch it again")
    if b"<html" in head.lower() or b"<!doctype" in head.lower():
        raise DataError(
            f"{path}: a web page, not a zip file: the server showed its quota, virus-scan or login "
            "page instead; fetch the file with a browser and pass it with --archive"
        )
    raise DataError(f"{path}: not a zip file; --archive takes the TRACE zip or its unpacked folder")


def open_archive(path: Path) -> Archive:
    """The archive at a path. Raises DataError where there is none."""
    if path.is_dir():
        return FolderArchive(path)
    if path.is_file():
        return ZipArchive(path)
    raise DataError(f"--archive: there is no file or folder {path}")


@dataclass
class Tree:
    """The files of one size: task -> split -> member name; `folder` is their place."""

    folder: str
    tasks: dict[str, dict[str, str]] = field(default_factory=dict)


def known_counts() -> dict[str, dict[str, dict]]:
    """size -> task -> {split: rows, "nominal": [splits], "inferred": [splits]}."""
    return yaml.safe_load(COUNTS.read_text(encoding="utf-8"))["sizes"]


def find_sizes(archive: Archive, asked: str | None) -> dict[str, Tree]:
    """The sizes that an archive holds, in the order of the table of known counts.

    A size is told by the name of the folder around the tasks (`LLM-CL-Benchmark_500`,
    `trace-500`, `500`), for tasks at the root by the archive's own name, and where neither tells,
    by `asked`. Raises DataError where nothing is found, `asked` is not there, or one size is there
    twice.
    """
    trees = _trees(archive)
    if not trees:
        raise DataError(
            f"{archive.path}: no <task>/train.json of a TRACE task in it; the archive holds "
            "LLM-CL-Benchmark_{500,1000,5000,Reasoning}/<task>/{train,eval,test}.json"
        )
    if asked and len(trees) == 1 and _size_of(archive, trees[0]) is None:
        return {asked: trees[0]}
    found: dict[str, Tree] = {}
    for tree in trees:
        size = _size_of(archive, tree)
        where = tree.folder or archive.path.name
        if size is None:
            hint = "it is one of several trees; keep one" if asked else "give --size"
            raise DataError(f"{archive.path}: which size is {where}? {hint}")
        if size in found:
            twice = f"{found[size].folder or archive.path.name} and {where}"
            raise DataError(f"{archive.path}: size {size} is there twice: {twice}; keep one")
        found[size] = tree
    if asked and asked not in found:
        raise DataError(f"{archive.path}: no size {asked} in it; there: {', '.join(found)}")
    return {size: found[size] for size in known_counts() if size in found and asked in (None, size)}


def _trees(archive: Archive) -> list[Tree]:
    known = {task for tasks in known_counts().values() for task in tasks}
    trees: dict[str, Tree] = {}
    for name in sorted(archive.names()):
        path = PurePosixPath(name)
        if len(path.parts) < 2 or path.suffix != ".json" or path.stem not in SPLITS:
            continue
        task, around = path.parent.name, path.parent.parent
        folder = "" if around == PurePosixPath(".") else around.as_posix()
        trees.setdefault(folder, Tree(folder)).tasks.setdefault(task, {})[path.stem] = name
    return [tree for tree in trees.values() if known & set(tree.tasks)]


def _size_of(archive: Archive, tree: Tree) -> str | None:
    named = PurePosixPath(tree.folder).name
    own = archive.path.resolve()
    match = _SIZE.search(named or (own.name if own.is_dir() else own.stem))
    return match[1].lower() if match else None
