"""Folders that appear whole, and proofs that one can be written; imports no torch."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import ConfigError, DataError


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `out` on leaving without an error, replacing what is there.

    It is filled beside `out`; what a killed process left there is removed by the next one.
    """
    place = out.absolute()
    for leftover in place.parent.glob(f".{place.name}.*"):
        pid = leftover.name.rpartition(".")[2]
        if pid.isdigit() and not process_alive(int(pid)):
            shutil.rmtree(leftover, ignore_errors=True)
    working = place.with_name(f".{place.name}.{os.getpid()}")
    replaced = place.with_name(f".{place.name}.old.{os.getpid()}")
    try:
        working.mkdir(parents=True)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"--out {out}: cannot be written: {reason}") from None
    try:
        yield working
        sync_files(working)
        if place.exists():
            os.replace(place, replaced)
        os.replace(working, place)
    finally:
        shutil.rmtree(working, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def require_writable(folder: Path, key: str) -> None:
    """Create a folder and prove that a file can be written there; else ConfigError."""
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"{key}: {folder} cannot be written ({reason}); choose another folder"
        ) from error


def process_alive(pid: int) -> bool:
    """True while a process of this id runs on this machine."""
    return Path(f"/proc/{pid}").exists()


def sync_files(folder: Path) -> None:
    """Have every file below a folder written through to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
