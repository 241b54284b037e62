"""The folder of a program that a model wrote: how much lies in it, and its removal, however deep it
is and whatever may be done with what lies there."""

import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

TRIES = 20  # what was killed may still finish a call that it was in


def holds_more(folder: Path, size: int, files: int) -> bool:
    """More than size bytes in files, more entries than files, or a part that cannot be looked into
    (a path too long, a folder that may not be read)?"""
    left, bytes_found, found = [str(folder)], 0, 0
    while left:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    about = entry.stat(follow_symlinks=False)
                    found += 1
                    bytes_found += about.st_size if stat.S_ISREG(about.st_mode) else 0
                    if found > files or bytes_found > size:
                        return True
                    if stat.S_ISDIR(about.st_mode):
                        if about.st_mode & 0o500 != 0o500:  # which a superuser would not notice
                            return True
                        left.append(entry.path)
        except FileNotFoundError:
            continue  # the program has removed it just now
        except OSError:
            return True
    return False


def remove(folder: Path) -> None:
    """Remove a folder with all in it; raises nothing."""
    for _ in range(TRIES):
        with suppress(OSError):
            _empty(folder)
            folder.rmdir()
        if not os.path.lexists(folder):
            return
        time.sleep(0.05)


def _empty(folder: Path) -> None:
    """Folders within folders are moved to the top first: no path gets long, no stack deep."""
    folder.chmod(0o700)
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while names := os.listdir(top):
            for name in names:
                if not _is_unlinked(name, top):
                    _flatten(name, top)
    finally:
        os.close(top)


def _flatten(name: str, top: int) -> None:
    os.chmod(name, 0o700, dir_fd=top)
    here = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    try:
        for inner in os.listdir(here):
            if not _is_unlinked(inner, here):
                os.chmod(inner, 0o700, dir_fd=here)  # moving it changes what ".." in it means
                os.rename(inner, secrets.token_hex(16), src_dir_fd=here, dst_dir_fd=top)
    finally:
        os.close(here)
    os.rmdir(name, dir_fd=top)


def _is_unlinked(name: str, where: int) -> bool:
    """Remove what is no folder; was it none?"""
    try:
        os.unlink(name, dir_fd=where)
    except IsADirectoryError:
        return False
    return True
