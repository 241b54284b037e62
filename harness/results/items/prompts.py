"""What the items of an eval node ask, from the file of data that its manifest names."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from harness.data.rows import read_rows
from harness.results.items.sheets import DAMAGED
from harness.store.files import file_sha256
from harness.store.store import Store


def prompts_of(store: Store, key: str) -> Sequence[str] | None:
    """The prompts of a benchmark's data, by item; None where they are not known: of benchmarks in
    a publisher's own format or of lm-eval's, and where the file is not the one that was scored.

    Demonstrations that stood before a prompt are not in it.
    """
    try:
        manifest = store.manifest("eval", key)
        if manifest["benchmark"].get("source") or manifest.get("lm_eval"):
            return None
        return _rows(Path(manifest["data"]["path"]), manifest["data"]["sha256"])
    except DAMAGED:
        return None


@lru_cache(maxsize=32)
def _rows(path: Path, sha256: str) -> Sequence[str] | None:
    """A store may be somebody else's: a file is read where it has the hash that the store tells."""
    if file_sha256(path) != sha256:
        return None
    return tuple(row["prompt"] for row in read_rows(path))
