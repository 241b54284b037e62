"""A file system of its own for a store, which can be made full. Needs root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 2**30
ROOM = 64 * 2**10  # bytes that are left when it is made full


def small_disk(folder: Path) -> Path | None:
    """Mount one, unless it is still there; None where this system does not allow it. It lies in
    main memory and takes as much as is written to it."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_mount():
        return folder
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "soak", str(folder)]
    return folder if _does(words) else None


def release(folder: Path | None) -> None:
    """Unmount it; what it holds is gone."""
    if folder is not None:
        _does(["umount", "-l", str(folder)])


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """As good as nothing can be written to it meanwhile."""
    found = os.statvfs(folder)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    _resize(folder, used + ROOM)
    try:
        yield
    finally:
        _resize(folder, SIZE)


def _resize(folder: Path, size: int) -> None:
    if not _does(["mount", "-o", f"remount,size={size}", str(folder)]):
        raise OSError(f"{folder}: its size cannot be changed")


def _does(words: list[str]) -> bool:
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
