"""Work that ended without a result, and why: remembered under its key until there is one, so that
tables and `status` tell it, and no command trains again what would diverge again."""

import json
import math
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.config.plain import plain, typed
from harness.errors import DAMAGED
from harness.store.contents import Name
from harness.store.files import regular_text, write_json
from harness.store.layout import BROKEN
from harness.store.status import Status
from harness.store.store import Store


@dataclass(frozen=True)
class Broken:
    """status: diverged or failed. stage, label: which work of which run it was; line: why, for
    people; at: when, in seconds since 1970. step, loss: of what diverged."""

    status: Status
    stage: int
    label: str
    run: str
    line: str
    at: float
    step: int | None = None
    loss: float | None = None

    @property
    def told(self) -> str:
        """What ended how, in a line."""
        where = f"stage {self.stage}, {self.label}"
        if self.status is not Status.diverged:
            return f"{where}: {self.line}"
        loss = "" if self.loss is None else f" (loss {self.loss:.6g})"
        return f"{where}: diverged at step {self.step}{loss}"


def note_broken(store: Store, name: Name, broken: Broken) -> None:
    """Remember how a piece of work ended."""
    told = plain(broken)
    if broken.loss is not None and not math.isfinite(broken.loss):
        told["loss"] = str(broken.loss)  # JSON has no number for it
    write_json(_file(store, name), told)


def broken_work(store: Store, name: Name) -> Broken | None:
    """How a piece of work ended, None where nothing is known; what is in the store is not asked."""
    return _read(_file(store, name))


def all_broken(store: Store, there: Collection[Name] = ()) -> dict[Name, Broken]:
    """All that is remembered of work that is not there."""
    found = dict[Name, Broken]()
    for path in sorted((store.root / BROKEN).glob("*.json")):
        kind, _, key = path.stem.partition("-")
        if (kind, key) not in there and (broken := _read(path)):
            found[kind, key] = broken
    return found


def forget_broken(store: Store, name: Name) -> None:
    """It is done, or shall be tried again."""
    _file(store, name).unlink(missing_ok=True)


def _read(path: Path) -> Broken | None:
    with suppress(*DAMAGED):
        return typed(Broken, json.loads(regular_text(path)))
    return None


def _file(store: Store, name: Name) -> Path:
    return store.root / BROKEN / f"{name[0]}-{name[1]}.json"
