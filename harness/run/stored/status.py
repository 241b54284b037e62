"""How far the runs of a store are, what is worked on where, why something failed. Looks only."""

import json
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DAMAGED
from harness.run.stored.runs import StoredRun, StoredRuns
from harness.store import locks
from harness.store.broken import Broken, all_broken
from harness.store.contents import Name, present
from harness.store.files import regular_text
from harness.store.layout import LOCKS, LOGS
from harness.store.status import Status
from harness.store.store import Store

_LOG = re.compile(r" \(log: (?P<path>[^()]*)\)")


@dataclass(frozen=True)
class Holder:
    """Who works on a node: host, process and since when, in seconds since 1970."""

    host: str
    pid: int
    since: float


@dataclass(frozen=True)
class State:
    """The status of a run. why: of one that failed or diverged, in a line, and the log's path where
    there is one. at: of one that is worked on, the piece of work; who: of the process."""

    status: Status
    why: str = ""
    log: Path | None = None
    at: str = ""
    who: Holder | None = None


class Watch:
    """What processes do in a store, read once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.working = holders(store)
        self.launches = _launches(store)
        self.broken = all_broken(store)

    def state(
        self, run: StoredRun, there: Collection[Name], shared: Collection[Name] = ()
    ) -> State:
        """How far a run is. there: the nodes of the store; shared: work of several runs, which
        does not tell which of them began."""
        held = [name for name in run.uses if name in self.working]
        if held:
            at, share = self._current(run, held, there)
            told = f"{run.told(at)}{share}"
            return State(Status.running, at=told, who=self.working[at])
        if not run.missing(there):
            return State(Status.done)
        if diverged := self._diverged(run, there):
            return State(Status.diverged, diverged.told)
        why = self._reason(run.run)
        if why:
            line, log = why
            return State(Status.failed, line, log)
        own = run.uses.difference(shared)
        begun = any(name in there or name[1] in self.launches for name in own)
        return State(Status.interrupted if begun else Status.missing)

    def _current(
        self, run: StoredRun, held: list[Name], there: Collection[Name]
    ) -> tuple[Name, str]:
        """The piece of work that the ranks last told of, and how far it is; else the first of those
        that are held."""
        by_key = {name[1]: name for name in held}
        folders = [self.launches[name[1]] for name in run.uses if name[1] in self.launches]
        for key, done in _last_event(max(folders)) if folders else ():
            if key in by_key and done < 1:
                return by_key[key], f", {done:.0%}"
        left = [name for name in held if name not in there]
        return min(left or held, key=run.place), ""

    def _diverged(self, run: StoredRun, there: Collection[Name]) -> Broken | None:
        """The first of its stages that has, and is not there."""
        ended = (
            self.broken[name] for name in run.uses if name in self.broken and name not in there
        )
        found = [broken for broken in ended if broken.status is Status.diverged]
        return min(found, key=lambda broken: broken.stage, default=None)

    def _reason(self, run: str) -> tuple[str, Path | None] | None:
        """Why its last command ended early, and the log; None where it did not say."""
        try:
            said = regular_text(self.store.root / LOGS / f"{run}.failed")
        except DAMAGED:
            return None
        found = _LOG.search(said)
        if found is None:
            return said.strip(), None
        # The store may have moved since.
        log = self.store.root / LOGS / Path(*Path(found["path"]).parts[-2:])
        return _LOG.sub("", said).strip(), log


def states_of(found: StoredRuns, store: Store) -> list[tuple[StoredRun, State]]:
    """Every run of a store and how far it is."""
    there, watch = present(store.root), Watch(store)
    shared = {name for name, users in found.users().items() if len(users) > 1}
    return [(run, watch.state(run, there, shared)) for run in found.runs.values()]


def holders(store: Store) -> dict[Name, Holder]:
    """Node -> who works on it, of all that living processes have."""
    found = dict[Name, Holder]()
    living = dict[str, Mapping[str, object] | None]()
    for lock in (store.root / LOCKS).glob("[!.]*-*"):
        for token in locks.holders(lock):
            if token not in living:
                living[token] = store.leases.living(token)
            said = living[token]
            with suppress(OSError):
                kind, _, key = lock.name.partition("-")
                if said is not None:
                    since = (lock / token).stat().st_mtime
                    found[kind, key] = Holder(str(said["host"]), int(str(said["pid"])), since)
    return found


def _launches(store: Store) -> dict[str, Path]:
    """Key of the first work of each launch of ranks -> the folder of its newest log."""
    folders = sorted((store.root / LOGS).glob("*-*-*"))
    return {folder.name.rpartition("-")[2]: folder for folder in folders}


def _last_event(folder: Path) -> list[tuple[str, float]]:
    """What each rank told last: key of the work, and the share that is done."""
    found = list[tuple[str, float]]()
    for path in sorted(folder.glob("events.*.jsonl")):
        with suppress(*DAMAGED):
            said = json.loads(regular_text(path).splitlines()[-1])
            found.append((str(said["key"]), float(said["done"])))
    return found
