"""Who of the ranks of one launch does what, settled by renames and without a message between them.

A claim is a lock of `store.locks` that nobody gives back. All claims of a launch lie in a folder
that carries the token of its lease: those of a launch that is gone count for nothing and are swept.
"""

import os
from pathlib import Path

from harness.store import locks


class Claims:
    """The claims of one launch on one group of work. who: a word for this rank, which no other one
    that shares the folder has."""

    def __init__(self, folder: Path, who: str) -> None:
        self.folder, self.who = folder, who
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> bool:
        """Claim `name`; False where another rank was faster."""
        return locks.take(self.folder / name, self.who)

    def taken(self) -> set[str]:
        """All that anybody has claimed so far."""
        return {name for name in os.listdir(self.folder) if not name.startswith(".")}
