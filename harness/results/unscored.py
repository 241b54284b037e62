"""Which scores of a run are not there since work that they hang on ended without a result."""

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

from harness.errors import DAMAGED
from harness.results.records import RunRecord
from harness.store.broken import Broken
from harness.store.contents import Name
from harness.store.files import regular_text
from harness.store.layout import MANIFEST, RUNS_READ
from harness.store.status import Status
from harness.store.store import Store


def unscored(store: Store, record: RunRecord, broken: Mapping[Name, Broken]) -> dict[str, Status]:
    """Key of a score -> how the first work ended that it lacks. broken: what ended so, in the
    store."""
    if not broken:
        return {}
    needs = _needs(store, record.run["run"])

    @cache
    def ended(name: Name) -> Status | None:
        if (store.path(*name) / MANIFEST).is_file():
            return None
        before = next(filter(None, map(ended, needs.get(name, []))), None)
        return before or (broken[name].status if name in broken else None)

    told = {cell.key: ended((cell.kind, cell.key)) for cell in record.cells}
    return {key: status for key, status in told.items() if status is not None}


def _needs(store: Store, run: str) -> dict[Name, list[Name]]:
    """Work of a run -> what it reads; empty where the run does not say, or was forgotten."""
    needs = dict[Name, list[Name]]()
    with suppress(*DAMAGED):
        for kind, key, *need in json.loads(regular_text(store.root / RUNS_READ / f"{run}.json")):
            needs.setdefault((kind, key), []).append((need[0], need[1]))
    return needs
