"""What the runs of a store have still to read, so that no other run drops it, and until when.

A run leaves a file that says which of its work reads which, and touches it with every piece of work
that it has done. Its reads count until all its work is done, until the run is abandoned (nobody
worked on it for `store.forget_days`, nor does now), or until it is forgotten (`harness store
forget`), which empties the file. A run without such a file, of a version that wrote none, or with
one that cannot be read, may read everything.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError, DataError, suggest
from harness.results.records import read_record, record_path, record_paths
from harness.store.files import write_json
from harness.store.inside import require_names
from harness.store.layout import RUNS_READ
from harness.store.store import Store
from harness.store.work import Plan

SECONDS_A_DAY = 86_400.0
Name = tuple[str, str]  # kind and content key of a piece of work


@dataclass(frozen=True)
class Unfinished:
    """A run with work to do that reads stages. name: what it is, for people; run: its key. days:
    since somebody worked on it. reads: what that work reads, None where the run does not say.
    working: does a process work on any of it now?"""

    run: str
    name: str
    todo: int
    days: float
    reads: frozenset[Name] | None
    working: bool

    def counts(self, forget_days: float | None) -> bool:
        """Does what it reads stay for it?"""
        return self.working or forget_days is None or self.days < forget_days

    @property
    def state(self) -> str:
        """How far it is, in words."""
        ago = f"{self.days:.0f} days ago" if self.days >= 1 else "today"
        when = "now" if self.working else ago
        return f"{self.todo} pieces of work left to do on stages, last worked on {when}"


def record_readers(store: Store, plan: Plan) -> None:
    """Remember which work of a run reads which, so that other runs of the store leave it there."""
    lines = [[node.kind, node.key, *need] for node in plan.nodes for need in node.needs()]
    write_json(_file(store, plan.run["run"]), lines)


def note_progress(store: Store, plan: Plan) -> None:
    """Somebody works on this run."""
    with suppress(OSError):  # forgotten meanwhile by hand, or out of reach for a while
        os.utime(_file(store, plan.run["run"]))


def unfinished_runs(store: Store) -> list[Unfinished]:
    """The runs of a store that have work to do, in the order of their names."""
    known = dict[Name, bool]()

    def missing(names: Iterator[Name]) -> set[Name]:
        found = set(names)
        for name in found - known.keys():
            known[name] = store.done(*name)
        return {name for name in found if not known[name]}

    runs, unreadable = list[Unfinished](), set[str]()
    for path in sorted((store.root / RUNS_READ).glob("*.json")):
        try:
            lines = json.loads(path.read_text())
            require_names(*(part for line in lines for part in line))
            todo = missing((kind, key) for kind, key, *_ in lines)
            runs += _unfinished(store, path, todo, _reads(store, lines, todo))
        except FileNotFoundError:  # removed meanwhile
            continue
        except (DataError, OSError, ValueError):
            unreadable.add(path.stem)
    for path in record_paths(store):
        if path.stem in unreadable or not _file(store, path.stem).is_file():
            with suppress(OSError, DataError):
                runs += _unfinished(store, path, missing(_recorded(path)), None)
    return sorted(runs, key=lambda run: run.run)


def _reads(store: Store, lines: list[list[str]], todo: set[Name]) -> frozenset[Name]:
    """What work to do reads; and what a stage among it reads whose weights are not there, since it
    is made once more."""
    needs = dict[Name, set[Name]]()
    for kind, key, *need in lines:
        needs.setdefault((kind, key), set()).add((need[0], need[1]))
    reads, unseen = set[Name](), list(todo)
    while unseen:
        for need in needs.get(unseen.pop(), set()) - reads:
            reads.add(need)
            if not store.whole(*need):
                unseen.append(need)
    return frozenset(reads)


def forget(store: Store, run: str) -> frozenset[Name]:
    """Have a run that is not finished hold nothing any more; returns what it alone has made
    or read. Raises ConfigError as `require_unfinished`."""
    require_unfinished(store, run)
    own = _read_by(store, run)
    with suppress(DataError):
        own |= set(_recorded(record_path(store, run)))
    alone = own - _of_others(store, run)
    write_json(_file(store, run), [])
    return frozenset(alone)


def require_unfinished(store: Store, run: str) -> None:
    """Raise ConfigError for a run that is not there, is finished or is worked on."""
    found = {each.run: each for each in unfinished_runs(store)}.get(run)
    if found is None:
        names = [path.stem for path in record_paths(store)]
        if run in names:
            raise ConfigError(f"forget: run {run} is finished, or forgotten: it holds nothing")
        raise ConfigError(f"forget: {store.root} has no run '{run}'" + suggest(run, names))
    if found.working:
        raise ConfigError(f"forget: run {run} is being worked on; end that process first")


def _unfinished(
    store: Store, path: Path, todo: set[Name], reads: frozenset[Name] | None
) -> Iterator[Unfinished]:
    if todo:
        days = max(0.0, time.time() - path.stat().st_mtime) / SECONDS_A_DAY
        working = any(store.busy(*name) for name in todo)
        yield Unfinished(path.stem, _name(store, path.stem), len(todo), days, reads, working)


def _name(store: Store, run: str) -> str:
    try:
        about = read_record(record_path(store, run)).run
    except DataError:
        return "a run that has not started"
    return f"{about['method']} seed={about['seed']} on {about['sequence']}"


def _recorded(path: Path) -> Iterator[Name]:
    """Work of which the record of a run tells."""
    record = read_record(path)
    yield from (("train", trained["key"]) for trained in record.training)
    yield from ((cell.kind, cell.key) for cell in record.cells)


def _read_by(store: Store, run: str) -> set[Name]:
    """Everything that a run's work reads or has read."""
    with suppress(OSError, ValueError, LookupError):
        return {(line[2], line[3]) for line in json.loads(_file(store, run).read_text())}
    return set()


def _of_others(store: Store, run: str) -> set[Name]:
    """What other runs, finished or not, are known to have made or read."""
    found = set[Name]()
    for path in record_paths(store):
        if path.stem != run:
            with suppress(DataError):
                found |= set(_recorded(path)) | _read_by(store, path.stem)
    for path in (store.root / RUNS_READ).glob("*.json"):
        found |= set() if path.stem == run else _read_by(store, path.stem)
    return found


def _file(store: Store, run: str) -> Path:
    return store.root / RUNS_READ / record_path(store, run).name
