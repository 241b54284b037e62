"""What outlives a loss of power; imports no torch.

A disk may lose whatever was not synced: the bytes of a file, and the names in a folder as well. So
what is to stay is written in this order: files, the folders that name them, then the rename, then
the folder in which that happened.
"""

import errno
import os
from pathlib import Path

from harness.store.pulse import beat

# What file systems answer that cannot sync a folder: they have nothing to say of names.
_CANNOT = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, whose names stay."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder stay, renames and removals included."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def sync_tree(folder: Path) -> None:
    """Have all that lies in a folder stay: bytes and names. Not the folder's own name."""
    for below, _, files in os.walk(folder, topdown=False):
        for name in files:
            beat(patient=True)  # a large file on a slow disk
            with Path(below, name).open("rb") as stream:
                os.fsync(stream.fileno())
        sync_folder(Path(below))
    beat()
