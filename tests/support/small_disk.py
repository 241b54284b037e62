"""A disk of a few megabytes, a file system of its own. Needs root."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """The folder where it is mounted; the test is skipped where the system mounts none."""
    place.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(place)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk of its own: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path, left: int = 0) -> Path:
    """A file that leaves so many bytes of it free. What others write meanwhile counts as taken:
    the file grows by what is still free until that is so little."""
    file = disk / "filler"
    with file.open("wb") as stream:
        while (free := _free(disk) - left) > 0:
            try:
                os.posix_fallocate(stream.fileno(), stream.seek(0, os.SEEK_END), free)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return file


def _free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize
