"""What is kept of a piece of work while it runs, so that it can go on; imports no torch."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.store.files import file_sha256, write_json
from harness.store.folders import filled, working_path
from harness.store.inside import file_inside
from harness.store.keys import FileHashes
from harness.store.layout import MANIFEST
from harness.store.leases import Leases

_PREFIX = "step-"


class Kept:
    """Folders that appear whole, numbered by how far the work was. One is there, and while the next
    is written that one beside it. Written by the holder of a lease alone, who has the work's lock.
    """

    def __init__(self, folder: Path, leases: Leases, token: str) -> None:
        self.folder, self._leases, self._token = folder, leases, token

    def numbers(self) -> list[int]:
        """What is there, the latest first."""
        names = (path.name.removeprefix(_PREFIX) for path in self.folder.glob(f"{_PREFIX}*"))
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def path(self, number: int) -> Path:
        """Folder of a number, whether it is there or not."""
        return self.folder / f"{_PREFIX}{number}"

    def working(self, number: int) -> Path:
        """Where it is written before it is whole."""
        return working_path(self.path(number), self._token)

    @contextmanager
    def writing(self, number: int, about: dict[str, Any]) -> Iterator[Path]:
        """A folder to fill, which is there on leaving without an error; only then all others go.
        about: what `read` gives. Raises DataError where it cannot be written, StageFailed where the
        lease was lost meanwhile."""
        try:
            with filled(self.path(number), self._leases, self._token) as folder:
                yield folder
                files = FileHashes().folder(folder)
                write_json(folder / MANIFEST, {**about, "files": files})
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{self.path(number)}: cannot be written: {reason}") from None
        self.tidy(number)

    def read(self, number: int) -> dict[str, Any]:
        """What was said about it. Raises DataError where that cannot be read."""
        try:
            about = json.loads((self.path(number) / MANIFEST).read_text())
            return {**about, "files": dict(about["files"])}
        except (OSError, ValueError, LookupError, TypeError):
            raise DataError(f"its {MANIFEST} cannot be read") from None

    def verify(self, number: int) -> None:
        """Raise DataError unless every file of it is there as it was written."""
        for name, sha in self.read(number)["files"].items():
            try:
                path = self.path(number)
                same = file_sha256(file_inside(path, path, name)) == sha
            except OSError as error:
                raise DataError(f"{name} cannot be read ({error.strerror})") from None
            if not same:
                raise DataError(f"{name} is not what was written")

    def tidy(self, number: int | None = None) -> None:
        """Remove all but this one, and what was begun of others."""
        stays = None if number is None else self.path(number)
        for path in [*self.folder.glob(f"{_PREFIX}*"), *self.folder.glob(f".{_PREFIX}*")]:
            if path != stays:
                shutil.rmtree(path, ignore_errors=True)

    def remove(self) -> None:
        """The work is done, or given up."""
        shutil.rmtree(self.folder, ignore_errors=True)
