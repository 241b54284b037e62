"""Copying a checked archive into the folders that runs read, byte for byte."""

from dataclasses import dataclass
from pathlib import Path

from harness import __version__
from harness.data.trace.archive import Archive, Tree
from harness.data.trace.check import SizeReport
from harness.data.trace.check_text import as_json
from harness.data.written import is_there
from harness.store.files import file_sha256, write_atomically, write_json

REPORT = "prepared.json"


@dataclass(frozen=True)
class Written:
    """How many files were copied, and how many were there already with the same bytes."""

    folder: Path
    copied: int
    verified: int


def prepare_size(archive: Archive, tree: Tree, report: SizeReport, out: Path) -> Written:
    """Write `<out>/<size>/<task>/<split>.json` and, last, `<out>/<size>/prepared.json`.

    A file that is there with the same bytes is left alone. Raises DataError, before anything is
    written, for one with other bytes.
    """
    folder = out / report.size
    files = {
        folder / task / f"{split}.json": (tree.tasks[task][split], part.sha256)
        for task, found in report.tasks.items()
        for split, part in found.splits.items()
    }
    present = {
        path for path, (_, sha256) in files.items() if is_there(path, sha256, "the archive's file")
    }
    for path, (name, _) in files.items():
        if path not in present:
            write_atomically(path, archive.read(name))
    summary = {
        "archive": str(archive.path.resolve()),
        "archive_sha256": file_sha256(archive.path) if archive.path.is_file() else None,
        "harness_version": __version__,
        **as_json(report),
    }
    write_json(folder / REPORT, summary)
    return Written(folder, len(files) - len(present), len(present))
