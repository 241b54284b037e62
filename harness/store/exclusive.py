"""One process at a time, of all machines: a lock of the store's kind in a folder of its own."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.store import locks
from harness.store.leases import Leases

WAIT_SECONDS = 0.02


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Wait until no other process is here, and keep all of them away until the context ends. Who
    died inside is taken over as `harness.store.leases` says. Raises DataError where the folder
    cannot be written."""
    leases, lock = Leases(folder), folder / "lock"
    with leases.taken() as token:
        while not (locks.free(lock, leases.gone) and locks.take(lock, token)):
            time.sleep(random.uniform(0.5, 1.5) * WAIT_SECONDS)
        try:
            yield
            leases.require(token)
        finally:
            locks.release(lock, token)


def sweep(folder: Path) -> None:
    """Remove what processes that died left of their waiting there."""
    if folder.is_dir():
        Leases(folder).sweep(folder.glob(".*"))
