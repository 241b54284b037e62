"""Locks that exclude processes of all machines on a store, without help from the kernel.

A lock is a folder that holds one empty file, named by the token of its holder's lease. It is made
under another name and renamed: a rename onto a folder that holds a file fails, so that one of many
who try wins, on local and on network file systems. A dead holder's lock is taken over by removing
the file *of that token*, which can never hit a lock that somebody else has taken since.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from errno import EEXIST, ENOENT, ENOTEMPTY
from pathlib import Path


def holders(lock: Path) -> list[str]:
    """Token of the lease that has a lock; empty where nobody has it."""
    try:
        return sorted(os.listdir(lock))
    except FileNotFoundError:
        return []


def free(lock: Path, gone: Callable[[str], bool]) -> bool:
    """True where nobody has a lock but leases that are gone, which lose it."""
    for token in holders(lock):
        if not gone(token):
            return False
        release(lock, token)
    return True


def take(lock: Path, token: str) -> bool:
    """Take a free lock for the lease `token`; False where another one was faster."""
    mine = lock.with_name(f".{lock.name}.{token}")
    mine.mkdir(parents=True)
    (mine / token).touch()
    try:
        os.rename(mine, lock)
    except OSError as error:
        # The last one: a server that repeats an answer it had already given.
        if error.errno not in (ENOTEMPTY, EEXIST, ENOENT):
            raise
    finally:
        shutil.rmtree(mine, ignore_errors=True)
    return (lock / token).is_file()


def release(lock: Path, token: str) -> None:
    """Give back the lock if it is that lease's."""
    with suppress(FileNotFoundError):
        (lock / token).unlink()
    with suppress(OSError):  # somebody has taken it
        lock.rmdir()
