"""Why a rank ended, and which of several that did is the cause."""

import errno
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.config.choices import Choice
from harness.config.plain import plain, typed
from harness.errors import (
    DataError,
    Diverged,
    HarnessError,
    OutOfMemory,
    is_full,
    kind_and_line,
    printable,
)
from harness.models.determinism import way_out
from harness.run.launch.job import log_file
from harness.store.files import write_json

# What a rank says whose peer is gone: it is not the cause.
_OF_A_PEER = re.compile(
    r"DistBackendError|DistNetworkError|DistStoreError|Connection closed by peer"
    r"|[Cc]onnection reset|Broken pipe|gloo/transport|ncclRemoteError|Socket Timeout"
)


class Fault(Choice):
    """What is behind a failure, and so whether the same work may go better the next time."""

    error = "error", "it would end so again"
    diverged = "diverged", "a loss of training, which would be the same"
    memory = "memory", "it did not fit into memory"
    starved = "starved", "the kernel ended a process, as memory ran out for one or another reason"
    lost = "lost", "a process or its machine is gone, or cannot be reached"
    hung = "hung", "no rank got any further"


@dataclass(frozen=True)
class Failure:
    """rank, and what it said in one line; at: seconds since 1970 on its machine, if it said when.
    host: empty where nobody knows. step, loss: where training has diverged."""

    rank: int
    line: str
    at: float = 0.0
    host: str = ""
    kind: Fault = Fault.error
    step: int | None = None
    loss: float | None = None

    @property
    def of_a_peer(self) -> bool:
        """Did it end only because another one had?"""
        return bool(_OF_A_PEER.search(self.line))


def note_failure(folder: Path, rank: int, error: BaseException) -> int:
    """Called by a rank that is about to end because of an error; returns its exit code, which says
    what a full disk does not take."""
    line = str(error) if isinstance(error, HarnessError) else kind_and_line(error)
    line = printable(line) + way_out(line)
    step, loss = (error.step, error.loss) if isinstance(error, Diverged) else (None, None)
    told = Failure(rank, line, time.time(), socket.gethostname(), _fault(error), step, loss)
    with suppress(DataError):
        write_json(_file(folder, rank), plain(told))
    return _FULL if is_full(error) else 1


def _fault(error: BaseException) -> Fault:
    if isinstance(error, Diverged):
        return Fault.diverged
    return Fault.memory if isinstance(error, OutOfMemory) else Fault.error


def forget_failures(folder: Path) -> None:
    """Remove what an earlier group of the same folder has noted."""
    for path in folder.glob(f"{_PREFIX}*.json"):
        path.unlink()


def failure_of(folder: Path, rank: int, code: int) -> Failure:
    """Why a rank of this machine ended with an exit code that is not 0: what it noted, else the
    last telling line of its log."""
    with suppress(OSError, ValueError):
        return typed(Failure, json.loads(_file(folder, rank).read_text()))
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        memory = "; was there memory enough?" if -code == signal.SIGKILL else ""
        line = f"rank {rank} was ended by {name}{memory}"
        return Failure(rank, line, host=socket.gethostname(), kind=Fault.lost)
    line = os.strerror(code) if code == _FULL else _told(log_file(folder, rank))
    return Failure(rank, line, host=socket.gethostname())


def cause(failures: Iterable[Failure]) -> Failure:
    """The one that the others followed: not one that only missed a peer, and the earliest that
    said when. Where all missed a peer, nobody knows of what it died: it is lost."""
    found = min(failures, key=lambda failure: (failure.of_a_peer, failure.at, failure.rank))
    unknown = found.of_a_peer and found.kind is Fault.error
    return replace(found, kind=Fault.lost) if unknown else found


_PREFIX = "failure."
_FULL = errno.ENOSPC  # as an exit code


def _file(folder: Path, rank: int) -> Path:
    return folder / f"{_PREFIX}{rank}.json"


def _told(log: Path) -> str:
    """The last telling line of a log."""
    try:
        said = log.read_text(errors="replace").splitlines()
    except OSError:
        said = []
    lines = [line for line in said if not line.startswith("warning: ")]
    errors = [line for line in lines if "Error" in line or "StageFailed" in line]
    told = errors or [line for line in lines if line.strip()] or ["it wrote nothing"]
    line = re.sub(r"^\[rank\d+\]:\s*", "", told[-1].strip())
    return line.removeprefix("harness.errors.StageFailed: ")
