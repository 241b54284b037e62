"""What is kept of unfinished work and nobody goes on with: of runs that were changed or given up,
or killed between the end of a piece of work and the clearing up. Imports no torch."""

import os
import shutil
import time
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.store.files import entries, entries_below, file_clock
from harness.store.layout import PARTIAL
from harness.store.store import Store

DAY = 86400.0  # seconds


@dataclass(frozen=True)
class Swept:
    """What was removed: pieces of work and the bytes of their files."""

    works: int
    bytes: int


def sweep_abandoned(
    store: Store,
    days: float | None,
    wanted: Container[tuple[str, str]] = (),
    dry_run: bool = False,
) -> Swept:
    """Remove what is kept of unfinished work where nothing was added for so many days (null = it
    stays) and that is not `wanted` now, and of work that is whole whatever its age: what was done
    and lost its weights is begun again when it is wanted. dry_run: only tell.

    Only work whose lock nobody has, on any machine, is touched: whoever works on something has its
    lock, and nobody gets it while it is removed. Ages are those of the store's own file system;
    dry_run, which writes nothing, takes this machine's clock.
    """
    root = store.root / PARTIAL
    places = {
        (kind.name, entry.name): Path(entry.path)
        for kind in entries(root)
        for entry in entries(Path(kind.path))
        if not kind.name.startswith(".") and not entry.name.startswith(".") and entry.is_dir()
    }
    if not places:
        return Swept(0, 0)
    now = time.time() if dry_run else file_clock(root)

    def abandoned(name: tuple[str, str]) -> bool:
        old = days is not None and name not in wanted and now - _newest(places[name]) > days * DAY
        return old or store.whole(*name)

    if dry_run:
        free = [p for name, p in places.items() if abandoned(name) and not store.busy(*name)]
        return Swept(len(free), sum(file.st_size for p in free for file in _files(p)))
    sizes = []
    with store.locks([name for name in places if abandoned(name)]) as held:
        # Once more, since whoever had the lock a moment ago may have added something.
        for folder in [places[name] for name in held.nodes if abandoned(name)]:
            sizes.append(sum(file.st_size for file in _files(folder)))
            shutil.rmtree(folder, ignore_errors=True)
    return Swept(len(sizes), sum(sizes))


def _newest(folder: Path) -> float:
    """When something was last added or removed; a folder that is gone counts as new."""
    try:
        return max([folder.stat().st_mtime, *(file.st_mtime for file in _files(folder))])
    except FileNotFoundError:
        return float("inf")


def _files(folder: Path) -> Iterator[os.stat_result]:
    for entry in entries_below(folder):
        with suppress(FileNotFoundError):
            yield entry.stat()
