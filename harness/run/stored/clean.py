"""What can be freed in a store, and freeing it: weights by `store.keep`, nodes of no run, what
unfinished work left. Nothing goes that a run with work to do reads, or that a process works on."""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.run.readers import unfinished_runs
from harness.run.retention import drop_all, kept_of, needed, weights
from harness.run.stored.runs import StoredRuns, stored_runs
from harness.store.contents import Name, present
from harness.store.store import Store

Keep = str | list[int]


@dataclass(frozen=True)
class Freed:
    """What goes, and its bytes. wanted: what stays since an unfinished run reads it; held: since a
    process works on it."""

    names: list[Name]
    bytes: int = 0
    wanted: list[Name] = field(default_factory=list)
    held: list[Name] = field(default_factory=list)


def weights_to_drop(store: Store, runs: StoredRuns, keep: Keep, days: float | None) -> Freed:
    """The models whose weights go where every run of the store keeps these stages. days: as
    `store.forget_days`. None where a file about a run cannot be read, since it may keep them."""
    asked, stay = set[Name](), set[Name]()
    if runs.damaged:
        return Freed([])
    for run in runs.runs.values():
        kept = kept_of(keep, set(run.models))
        for stage, names in run.models.items():
            (stay if stage in kept else asked).update(names)
    there = sorted(name for name in asked - stay if weights(store, name))
    reading = unfinished_runs(store) if there else []
    wanted = [name for name in there if needed(reading, name, days)]
    return _sorted(store, [name for name in there if name not in set(wanted)], wanted)


def drop_weights(store: Store, found: Freed, days: float | None) -> Freed:
    """Drop them; returns what is gone, which may be less, since a run may have begun meanwhile."""
    sizes = {name: _weight_bytes(store, name) for name in found.names}
    gone = drop_all(store, found.names, days)
    held = [*found.held, *(n for n in found.names if n not in set(gone) and store.busy(*n))]
    return Freed(gone, sum(sizes[name] for name in gone), found.wanted, held)


def unused_nodes(store: Store, runs: StoredRuns) -> list[Name]:
    """The nodes that no run of the store makes or reads. None where a file about a run cannot be
    read, since they may be its."""
    if runs.damaged:
        return []
    used = runs.users()
    return sorted(name for name in present(store.root) if name not in used)


def remove_unused(store: Store, names: Iterable[Name]) -> tuple[list[Name], list[Name]]:
    """Remove nodes that no run uses; returns those that are gone, and those that somebody works on.
    Once their locks are had it is asked again, since a run may have begun meanwhile."""
    wanted = list(names)
    with store.locks(wanted) as held:
        still = set(unused_nodes(store, stored_runs(store)))
        gone = _remove(store, [name for name in held.nodes if name in still], held.token)
    return gone, [name for name in wanted if name not in set(held.nodes)]


def _remove(store: Store, names: list[Name], token: str) -> list[Name]:
    """Put nodes aside, so that a run that begins now sees that they are not there; look once more
    whether one that began before that uses them, bring those back, and remove the rest."""
    aside = dict[Name, Path]()
    stay = set(names)
    try:
        for name in names:
            aside[name] = store.put_aside(*name, token)
        runs = stored_runs(store)
        stay = stay if runs.damaged else stay & runs.users().keys()
    finally:
        for name in stay & aside.keys():
            os.rename(aside[name], store.path(*name))
    gone = [name for name in names if name not in stay]
    for name in gone:
        shutil.rmtree(aside[name])
    return gone


def _sorted(store: Store, names: list[Name], wanted: list[Name]) -> Freed:
    held = [name for name in names if store.busy(*name)]
    free = [name for name in names if name not in set(held)]
    return Freed(free, sum(_weight_bytes(store, name) for name in free), wanted, held)


def _weight_bytes(store: Store, name: Name) -> int:
    total = 0
    for path in weights(store, name):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total
