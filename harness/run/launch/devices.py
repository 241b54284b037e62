"""GPUs of this machine, leased: jobs side by side never share one.

The locks are of the store's kind, in a folder of this machine and user (HARNESS_LOCKS names
another one); what a dead process held is free at once.
"""

import os
import random
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.config.machine import Gpu, gpus
from harness.errors import StageFailed
from harness.store import locks
from harness.store.leases import Leases

WAIT_SECONDS = 1.0
VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextmanager
def leased(count: int, waiting: Callable[[str], None], asked: str = "") -> Iterator[dict[str, str]]:
    """So many GPUs that no other process leases meanwhile, as the variables with which a worker
    sees these alone; none for 0. `waiting` hears of the holder as long as too few are free.
    asked: by which keys so many are wanted. Raises StageFailed where there are not so many."""
    if count == 0:
        yield {}
        return
    there = gpus()
    if count > len(there):
        host = socket.gethostname()
        asked = asked or f"engine.ranks={count}"
        raise StageFailed(f"{asked}, but there are {len(there)} GPUs on {host}")
    folder = lock_folder()
    leases = Leases(folder / "leases")
    leases.sweep([])
    with leases.taken() as token:
        mine = _take(there, count, folder, leases, token)
        while mine is None:
            waiting(_holder(there, folder, leases))
            time.sleep(WAIT_SECONDS * random.uniform(0.5, 1.0))
            mine = _take(there, count, folder, leases, token)
        try:
            yield {
                VISIBLE: ",".join(gpu.token for gpu in mine),
                # As nvidia-smi counts them.
                "CUDA_DEVICE_ORDER": os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),
            }
        finally:
            for gpu in mine:
                locks.release(_lock(folder, gpu), token)


def shares(variables: Mapping[str, str], counts: Sequence[int]) -> Iterator[dict[str, str]]:
    """The variables of `leased` for several groups of workers, of which each sees so many of the
    GPUs, none that another one sees."""
    tokens = variables.get(VISIBLE, "").split(",")
    for count in counts:
        mine, tokens = tokens[:count], tokens[count:]
        yield {**variables, VISIBLE: ",".join(mine)} if variables else {}


def lock_folder() -> Path:
    """Where this machine's GPUs are locked."""
    own = os.environ.get("HARNESS_LOCKS")
    return Path(own) if own else Path(tempfile.gettempdir()) / f"harness-gpus-{os.getuid()}"


def _take(
    there: list[Gpu], count: int, folder: Path, leases: Leases, token: str
) -> list[Gpu] | None:
    """All that are asked for, or none."""
    mine = list[Gpu]()
    for gpu in there:
        lock = _lock(folder, gpu)
        if locks.free(lock, leases.gone) and locks.take(lock, token):
            mine.append(gpu)
        if len(mine) == count:
            return mine
    for gpu in mine:
        locks.release(_lock(folder, gpu), token)
    return None


def _holder(there: list[Gpu], folder: Path, leases: Leases) -> str:
    for gpu in there:
        for token in locks.holders(_lock(folder, gpu)):
            return f"{leases.holder(token)}, which has GPU {gpu.token}"
    return "another process"


def _lock(folder: Path, gpu: Gpu) -> Path:
    return folder / "gpus" / gpu.name.replace("/", "_")
