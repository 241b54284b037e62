"""The configurations of runs, as manifests of their nodes tell them, and what differs in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.errors import DAMAGED
from harness.results.records import RunRecord
from harness.store.store import Store

_OF_PLACE = ("store.", "engine.hostfile", "code.")  # where a run lies is not what it is
Flat = dict[str, object]


def configurations(
    store: Store, records: Sequence[RunRecord]
) -> tuple[dict[str, Flat], dict[str, str]]:
    """By run: its configuration, dotted keys -> values, and the node that tells it.

    A manifest holds the configuration of the run that made the node. Work that no other run has
    comes first, the last stage before the rest.
    """
    users: dict[str, int] = {}
    for record in records:
        for key in {key for _, key in _nodes(record)}:
            users[key] = users.get(key, 0) + 1
    flat: dict[str, Flat] = {}
    told: dict[str, str] = {}
    for record in records:
        for kind, key in sorted(_nodes(record), key=lambda node: users[node[1]] > 1):
            try:
                whole = dict(_flattened(store.manifest(kind, key)["config"].items()))
            except DAMAGED:
                continue
            kept = {k: v for k, v in whole.items() if not k.startswith(_OF_PLACE)}
            flat[record.run["run"]] = kept | (record.run["settings"] or {})
            told[record.run["run"]] = f"{kind}/{key}"
            break
    return flat, told


def differing(flat: Mapping[str, Flat]) -> list[str]:
    """The keys whose values are not the same in all runs."""
    names = sorted({name for some in flat.values() for name in some})
    return [n for n in names if len({repr(some.get(n)) for some in flat.values()}) > 1]


def _nodes(record: RunRecord) -> list[tuple[str, str]]:
    """(kind, key) of a run's stages, the last first, then of its scores, the last first."""
    trained = [("train", stage["key"]) for stage in reversed(record.training)]
    return trained + [(cell.kind, cell.key) for cell in reversed(record.cells)]


def _flattened(pairs: Iterable[tuple[str, Any]], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in pairs:
        if isinstance(value, dict):
            yield from _flattened(value.items(), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
