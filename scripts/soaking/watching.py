"""How far a sweep is, seen from outside: what its ranks have said, and which folders are there."""

import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from harness.store.layout import LOGS, MANIFEST


class Training(NamedTuple):
    """The stage that is trained: the folder of its launch, its content key, the share of its steps
    that is done."""

    launch: str
    key: str
    share: float


def training(store: Path) -> Training | None:
    """The stage whose steps are under way in the latest launch, if one is."""
    folders = sorted(path.parent for path in (store / LOGS).glob("*/events.0.jsonl"))
    if not folders:
        return None
    with suppress(OSError, ValueError, IndexError, KeyError):  # half a line
        said = json.loads((folders[-1] / "events.0.jsonl").read_text().splitlines()[-1])
        key, share = str(said["key"]), float(said["done"])
        if 0 < share < 0.99 and any((store / "train").glob(f".{key}.*")):
            return Training(folders[-1].name, key, share)
    return None


def whole(store: Path, kind: str, key: str) -> bool:
    """Is a node there?"""
    return (store / kind / key / MANIFEST).is_file()


def nodes(store: Path, kind: str = "*") -> list[Path]:
    """The folders of the nodes that are there."""
    return sorted(path.parent for path in store.glob(f"{kind}/[0-9a-f]*/{MANIFEST}"))
