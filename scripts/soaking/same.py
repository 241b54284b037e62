"""Is what a disturbed sweep made what an undisturbed one made? By bytes, apart from how long things
took and how much memory they held."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.store.files import file_sha256
from harness.store.layout import DETAILS, LEASES, LOCKS, MANIFEST, PARTIAL, TABLE, TRAINING
from soaking.watching import nodes

MEASURED = frozenset(("device_hours", "peak_memory", "device_seconds"))
_REPORTS = (TRAINING, DETAILS)  # files that hold such numbers beside others


def differences(whole: Path, disturbed: Path) -> list[str]:
    """A line for everything that differs, or is left over, below two folders that hold a store and
    its results."""
    return [
        *_of_tables(whole / "results" / TABLE, disturbed / "results" / TABLE),
        *_of_stores(whole / "store", disturbed / "store"),
        *_leftovers(disturbed / "store"),
    ]


def compared(store: Path) -> int:
    """How many files of nodes are compared."""
    return sum(len(_manifest(node)["files"]) for node in nodes(store))


def _of_tables(whole: Path, disturbed: Path) -> Iterator[str]:
    first, second = (_scores(path) for path in (whole, disturbed))
    if first != second:
        apart = sum(one != other for one, other in zip(first, second, strict=False))
        yield f"the table differs: {len(first)} and {len(second)} lines, {apart} of them unequal"


def _scores(table: Path) -> list[str]:
    """The lines of a table but those of what was measured."""
    if not table.is_file():
        return []
    lines = table.read_text().splitlines()
    metric = lines[0].split(",").index("metric")
    return [line for line in lines if next(csv.reader([line]))[metric] not in MEASURED]


def _of_stores(whole: Path, disturbed: Path) -> Iterator[str]:
    first, second = ({_name(node): node for node in nodes(store)} for store in (whole, disturbed))
    for name in sorted(first.keys() ^ second.keys()):
        yield f"{name}: only in the {'un' if name in first else ''}disturbed store"
    for name in sorted(first.keys() & second.keys()):
        yield from (f"{name}/{line}" for line in _of_nodes(first[name], second[name]))


def _of_nodes(first: Path, second: Path) -> Iterator[str]:
    listed, again = (_manifest(node)["files"] for node in (first, second))
    for file in sorted(listed.keys() ^ again.keys()):
        yield f"{file}: only in one of the stores"
    for file in sorted(listed.keys() & again.keys()):
        if file_sha256(second / file) != again[file]:
            yield f"{file}: not what its manifest says"
        elif file in _REPORTS:
            if _report(first / file) != _report(second / file):
                yield f"{file}: other content"
        elif listed[file] != again[file]:
            yield f"{file}: other bytes"


def _leftovers(store: Path) -> Iterator[str]:
    """What nobody is to find once all is done."""
    kept = [*store.glob(f"{PARTIAL}/*/*"), *store.glob(f"{PARTIAL}/.*")]
    held = [path for name in (LEASES, LOCKS) for path in (store / name).glob("*")]
    for path in [*kept, *held, *store.glob("*/.*")]:
        yield f"{path.relative_to(store)}: left behind"


def _report(file: Path) -> Any:
    def unmeasured(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in pairs if name not in MEASURED}

    return json.loads(file.read_text(), object_pairs_hook=unmeasured)


def _manifest(node: Path) -> dict[str, Any]:
    return json.loads((node / MANIFEST).read_text())


def _name(node: Path) -> str:
    return f"{node.parent.name}/{node.name}"
