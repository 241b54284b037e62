"""Which data runs read: are the files the published ones, and do their splits leak?"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from harness.config.places import package_file
from harness.data.overlap import shared_prompts
from harness.data.rows import read_rows
from harness.data.trace.prepare import REPORT
from harness.errors import DAMAGED, DataError
from harness.results.records import read_record, record_path
from harness.results.runs import Run
from harness.results.tracing.behind import node_of, stages_of
from harness.store.files import is_still, regular_text
from harness.store.scores import TARGET
from harness.store.store import Store

# The zip of TRACE's authors (arXiv 2310.06762).
ARCHIVE_SHA256 = "11152d50f8a093b1fc9c6c924ec207915d173b9e2d715396ec8f8a837e2668a8"
_EMBEDDED = "data/micro/data"  # inside the package


class Origin(StrEnum):
    """Where a file of data is from, as far as its hash tells."""

    published = "of the published archive"
    other = "prepared from another archive"
    embedded = "embedded in this package, published nowhere else"
    unknown = "not checked"


@dataclass(frozen=True)
class Read:
    """A file that a run read: its place and the hash that it had then."""

    path: str
    sha256: str


def files_of(store: Store, run: Run) -> set[Read]:
    """Every file that a run was trained on, and those that its tasks were scored on in the end."""
    names = {("train", key) for _, key in stages_of(store, run, run.matrix.size)}
    with suppress(DataError):
        cells = read_record(record_path(store, run.name)).cells
        last = {cell.benchmark: cell for cell in cells if cell.suite == TARGET}
        names |= {(cell.kind, cell.key) for cell in last.values()}
    nodes = (node_of(store, kind, key) for kind, key in names)
    return {Read(*pair) for node in nodes if node for pair in node.data.values()}


@cache
def origin(file: Read) -> Origin:
    """Where a file is from. Files that `data` prepared stand beside a report with their hashes and
    that of their archive."""
    path = Path(file.path)
    if is_still(Path(package_file(_EMBEDDED)) / path.parent.name / path.name, file.sha256):
        return Origin.embedded
    with suppress(*DAMAGED):
        told = json.loads(regular_text(path.parents[1] / REPORT))
        if told["tasks"][path.parent.name]["splits"][path.stem]["sha256"] != file.sha256:
            return Origin.unknown
        published = told["archive_sha256"] == ARCHIVE_SHA256
        return Origin.published if published else Origin.other
    return Origin.unknown


@cache
def leaked(train: Read, test: Read) -> int | None:
    """How many rows of a test split have a prompt of the train split; null where a file is gone or
    is another one by now."""
    if not all(is_still(Path(file.path), file.sha256) for file in (train, test)):
        return None
    try:
        first, second = (read_rows(Path(file.path)) for file in (train, test))
    except DataError:
        return None
    return shared_prompts(first, second).rows


def pairs(files: Iterable[Read]) -> list[tuple[Read, Read]]:
    """(train, test or eval split) of every task that was trained and scored."""
    listed = sorted(files, key=lambda file: file.path)
    trained = {Path(f.path).parent: f for f in listed if Path(f.path).stem == "train"}
    others = [f for f in listed if Path(f.path).stem != "train"]
    return [(trained[p], f) for f in others if (p := Path(f.path).parent) in trained]
