"""A file system without locks: shows another folder, but flock and fcntl locks fail (ENOSYS), as on
some network file systems. `python no_flock.py <folder> <mount point>` serves it until it is
unmounted; needs mfusepy, libfuse and /dev/fuse."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    from mfusepy import FUSE, FuseOSError, Operations
except (ImportError, OSError):  # OSError: no libfuse
    FUSE, FuseOSError, Operations = None, OSError, object

UTIME_NOW = (1 << 30) - 1  # Linux: "now" in place of nanoseconds
_STAT = ("mode", "ino", "dev", "nlink", "uid", "gid", "size", "atime_ns", "mtime_ns", "ctime_ns")


class NoFlock(Operations):
    """Everything goes to the folder `top`, but for locks."""

    use_ns = True

    def __init__(self, top: str) -> None:
        self.top = top

    def _real(self, path: str) -> str:
        return self.top + path

    def flock(self, path: str, fh: int, op: int) -> int:
        raise FuseOSError(errno.ENOSYS)

    def lock(self, path: str, fh: int, cmd: int, lock: Any) -> int:
        raise FuseOSError(errno.ENOSYS)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._real(path))
        return {f"st_{n.removesuffix('_ns')}": getattr(found, f"st_{n}") for n in _STAT}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._real(path))]

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._real(path), os.O_RDWR | os.O_CREAT, mode)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._real(path), flags & ~os.O_APPEND)  # the kernel gives the offsets

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        os.truncate(self._real(path), length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def rename(self, old: str, new: str) -> int:
        os.rename(self._real(old), self._real(new))
        return 0

    def unlink(self, path: str) -> int:
        os.unlink(self._real(path))
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        os.mkdir(self._real(path), mode)
        return 0

    def rmdir(self, path: str) -> int:
        os.rmdir(self._real(path))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        os.chmod(self._real(path), mode)
        return 0

    def symlink(self, target: str, source: str) -> int:
        os.symlink(source, self._real(target))
        return 0

    def readlink(self, path: str) -> str:
        return os.readlink(self._real(path))

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._real(path))
        return {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        now = time.time_ns()
        given = [now if value == UTIME_NOW else value for value in times or (now, now)]
        os.utime(self._real(path), ns=(given[0], given[1]))
        return 0


def can_be_without_locks() -> bool:
    """Can such a file system be mounted, as far as can be seen?"""
    return FUSE is not None and os.access("/dev/fuse", os.W_OK)


@contextmanager
def without_locks(place: Path) -> Iterator[Path]:
    """A folder without locks; the test is skipped where no file system can be mounted."""
    import pytest

    if not can_be_without_locks():
        pytest.skip("no file system without locks: mfusepy, libfuse or /dev/fuse is missing")
    real, mount = place / "real", place / "mount"
    real.mkdir()
    mount.mkdir()
    server = subprocess.Popen([sys.executable, __file__, str(real), str(mount)])
    try:
        while not mount.is_mount():
            if server.poll() is not None:
                pytest.skip("no file system without locks: it cannot be mounted here")
            time.sleep(0.05)
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False)
        server.wait(30)


if __name__ == "__main__":
    FUSE(NoFlock(sys.argv[1]), sys.argv[2], foreground=True, nothreads=True)
