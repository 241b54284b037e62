"""Signs of life of this process: a small file that it writes wherever its work gets further, for
whoever has to know that it has not hung, on another machine too."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

EVERY_SECONDS = 1.0
PATIENT = b" patient"


@dataclass
class _Pulse:
    """path: None where nobody listens. patient: was the last sign one before a long silence?"""

    path: Path | None = None
    count: int = 0
    last: float = 0.0
    patient: bool = False


_PULSE = _Pulse()


def pulse_file(folder: Path, rank: int) -> Path:
    """Where a rank shows life, in the folder of its launch."""
    return folder / f"pulse.{rank}"


def show_life(path: Path) -> None:
    """From here on this process shows life in this file."""
    _PULSE.path = path
    beat(patient=True)


def beat(patient: bool = False) -> None:
    """The work got further: a step, a pass, a piece of a file. patient: the next sign may take
    long, since others' code works in one go (it loads a model, say). Nobody waits for the disk."""
    pulse, now = _PULSE, time.monotonic()
    same = patient == pulse.patient
    if pulse.path is None or (same and now - pulse.last < EVERY_SECONDS):
        return
    pulse.count, pulse.last, pulse.patient = pulse.count + 1, now, patient
    with suppress(OSError):  # a full disk is no death
        target = os.open(pulse.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(target, str(pulse.count).encode() + (PATIENT if patient else b""))
        finally:
            os.close(target)
