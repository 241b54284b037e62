"""Finished work that is not any more what was written: found, said aloud, and made again.

Whether files changed is told by their sizes and times, at no cost. A disk that flips a bit leaves
both, so what work reads is read once and compared before that begins.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from harness.errors import DataError
from harness.run.events import Event, Watcher
from harness.store.contents import Name
from harness.store.listener import Notice
from harness.store.store import Store
from harness.store.work import TrainWork, Work

READERS = min(4, os.cpu_count() or 1)  # files that are read at a time


@dataclass(frozen=True)
class Repairs:
    """The work to do, and a line for each piece of it that is done again since its files are
    damaged, by its key."""

    pending: list[Work]
    lines: dict[str, str] = field(default_factory=dict)


def checked_repairs(store: Store, pending_now: Callable[[], list[Work]]) -> Repairs:
    """Work to do once everything that it reads was compared with what was written. pending_now: as
    the store is then, since what turns out to be damaged is to do as well."""
    read = set[Name]()
    while True:
        pending = pending_now()
        fresh = _read_by(pending) - read
        read |= fresh
        broken = [name for name in sorted(fresh) if not _same(store, name)]
        if not broken:
            return Repairs(pending, damaged(store, pending))


def damaged(store: Store, pending: Sequence[Work]) -> dict[str, str]:
    """A line for each of these pieces of work whose node is there and damaged: which file, what is
    wrong with it, and from which stage it is made again. Scores that cannot be are told elsewhere.
    """
    origins, lines = _origins(pending), dict[str, str]()
    for work in pending:
        if not store.path(work.kind, work.key).is_dir():
            continue
        harm = store.damage(work.kind, work.key)
        if harm is not None and store.wrong(work.kind, work.key) is None:
            lines[work.key] = (
                f"{work.kind}/{work.key}/{harm.file} {harm.what}: stage {work.stage}, "
                f"{work.label}, is made again from stage {origins[work.key]}"
            )
    return lines


def _read_by(pending: Iterable[Work]) -> set[Name]:
    """What these read that none of them makes."""
    works = list(pending)
    made = {(work.kind, work.key) for work in works}
    return {name for work in works for name in work.needs()} - made


def _same(store: Store, name: Name) -> bool:
    """Are the files of a node what was written, by their bytes? The store knows from then on; they
    are read once a process."""
    if name in store.compared:
        return True
    folder = store.path(*name)
    with ThreadPoolExecutor(READERS) as threads:
        try:
            gone, listed = store.dropped(*name), store.manifest(*name)["files"]
            files = [(folder / file, sha) for file, sha in listed.items() if file not in gone]
            same = all([*threads.map(lambda file: store.hashes.read(file[0]) == file[1], files)])
        # Gone or replaced meanwhile, which the next look tells; or whoever reads it says why.
        except (OSError, ValueError, LookupError, DataError):
            return False
    if same:
        store.compared.add(name)
    return same


def tell(watcher: Watcher, repairs: Repairs) -> None:
    """Say it, a line for each."""
    for key, line in repairs.lines.items():
        watcher.follow(Event(key, 0.0, Notice(line, line, warning=True)))


def _origins(pending: Sequence[Work]) -> Mapping[str, int]:
    """Work -> the latest stage that is there and from which all is made that leads to it."""
    found = dict[str, int]()
    for work in pending:
        before = work.stage - 1 if isinstance(work, TrainWork) else work.stage
        needs = [key for _, key in work.needs()]
        there = [0] if not needs else [before] if any(key not in found for key in needs) else []
        found[work.key] = min([*there, *(found[key] for key in needs if key in found)])
    return found
