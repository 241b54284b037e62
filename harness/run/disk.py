"""Room on the disk of a store: wanted before work starts, watched while it runs, and what to say
where there is none."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.config import HarnessConfig
from harness.errors import HarnessError, StageFailed, is_full
from harness.plan.disk import DiskNeeds
from harness.run.readers import unfinished_runs
from harness.run.retention import holds_weights, kept_stages, needed, weights
from harness.run.stored.clean import unused_nodes, weights_to_drop
from harness.run.stored.runs import stored_runs
from harness.store.abandoned import sweep_abandoned
from harness.store.contents import bytes_below, size, stored_nodes
from harness.store.layout import MANIFEST
from harness.store.store import Store
from harness.store.work import Plan, Work

FLOOR = 16e6  # bytes for all that is small: logs, records, manifests, tokenizers
LOOK_SECONDS = 2.0
_GOES_ON = "the same command goes on once there is room"


class NoRoom(StageFailed):
    """There is less room on a disk than work needs; the message says what would free how much."""


class Room:
    """What some work of a plan takes of its store's disk. token: of its lease."""

    def __init__(
        self,
        config: HarnessConfig,
        store: Store,
        plan: Plan,
        works: Sequence[Work],
        token: str = "",
    ) -> None:
        self.config, self.store, self.plan, self.works = config, store, plan, list(works)
        self.needs, self.token, self.looked = DiskNeeds(config), token, time.monotonic()
        self._written = set[str]()  # keys of works that were seen to be done

    def require(self) -> None:
        """Raise NoRoom where what all of it takes at its peak is not free."""
        line = self.short()
        if line:
            raise NoRoom(line)

    def short(self) -> str:
        """In a line why it cannot start; empty where it can."""
        most, free = self._peak(self.config.store.keep), free_bytes(self.store.root)
        if free >= most + FLOOR:
            return ""
        ends = self._peak("ends") if self.config.store.keep == "all" else most
        less = f"; with store.keep=ends it takes {size(ends + FLOOR)}" if ends < most else ""
        return self._line(f"what is to do takes {size(most + FLOOR)} at its peak", free) + less

    def watch(self) -> None:
        """The same for the work that runs, looked at every few seconds."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        left, free = self._left(), free_bytes(self.store.root)
        if free < left + FLOOR:
            raise NoRoom(self._line(f"what runs has still to write {size(left + FLOOR)}", free))

    def _line(self, takes: str, free: float) -> str:
        beside = self.needs.checkpoint and any(work.kind == "train" for work in self.works)
        counted = f" (two checkpoints of {size(self.needs.checkpoint)} counted)" if beside else ""
        days = self.config.store.forget_days
        return (
            f"store.root={self.store.root}: {takes}{counted}, and {size(free)} are free there; "
            f"{what_frees(self.store, days)}; {_GOES_ON}"
        )

    def _peak(self, keep: str | list[int]) -> float:
        """Of all of it, beside what is there already."""
        most = self.needs.peak(self.works, self._freed(keep))
        return max(0.0, most - sum(map(self._begun, self.works)))

    def _left(self) -> float:
        """What the first piece of work that is not done, of each side where there are two, has
        still to write. What is there of it is looked at first: it goes once it is done."""
        left = dict[bool, float]()
        for work in self.works:
            side = holds_weights(work) and self.config.eval.beside > 0
            if side not in left and work.key not in self._written:
                begun = self._begun(work)
                if (self.store.path(work.kind, work.key) / MANIFEST).is_file():
                    self._written.add(work.key)
                else:
                    left[side] = max(0.0, self.needs.of(work).most - begun)
        return sum(left.values())

    def _begun(self, work: Work) -> float:
        """Bytes that are there of work that is not done."""
        under_way = self.store.working_path(work.kind, work.key, self.token)
        return bytes_below(self.store.partial_path(work.kind, work.key)) + bytes_below(under_way)

    def _freed(self, keep: str | list[int]) -> dict[str, float]:
        """Bytes of the models that go when this work does not read them any more."""
        if keep == "all":
            return {}
        ours, kept = self.plan.run["run"], kept_stages(keep, self.plan)
        others = [run for run in unfinished_runs(self.store) if run.run != ours]
        made, days = {work.key for work in self.works}, self.config.store.forget_days
        freed = dict[str, float]()
        for node in self.plan.nodes:
            name = node.kind, node.key
            goes = holds_weights(node) and node.stage not in kept
            if goes and not needed(others, name, days):
                there = sum(path.stat().st_size for path in weights(self.store, name))
                freed[node.key] = self.needs.of(node).stays if node.key in made else there
        return freed


def free_bytes(folder: Path) -> float:
    """What the file system of a folder, or of the nearest one above that is there, has for us."""
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    found = os.statvfs(there)
    return float(found.f_bavail) * found.f_frsize


def what_frees(store: Store, days: float | None) -> str:
    """What of a store would go, and how much that is."""
    runs, nodes = stored_runs(store), stored_nodes(store.root)
    sums = {
        "weights": weights_to_drop(store, runs, "ends", days).bytes,
        "unused nodes": sum(nodes[name].bytes for name in unused_nodes(store, runs)),
        "partial work": sweep_abandoned(store, days, dry_run=True).bytes,
    }
    told = ", ".join(f"{sort} {size(count)}" for sort, count in sums.items() if count)
    freed = f"{size(sum(sums.values()))} ({told})" if told else "nothing"
    return (
        f"`python -m harness store clean --keep ends --unused --store {store.root}` would free "
        f"{freed}"
    )


@contextmanager
def told_if_full(store: Store, days: float | None) -> Iterator[None]:
    """What fails inside for want of room on a disk says what would free some."""
    try:
        yield
    except NoRoom:
        raise
    except (HarnessError, OSError) as error:
        if not is_full(error):
            raise
        free = size(free_bytes(store.root))
        raise NoRoom(
            f"{error}; {free} are free at store.root={store.root}; {what_frees(store, days)}; "
            f"{_GOES_ON}"
        ) from error
