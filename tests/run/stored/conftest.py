"""A store with a finished run, and what folders hold."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.run.job import Job

Contents = dict[str, bytes]


@pytest.fixture
def place(finished: Job) -> str:
    """The option that names its store."""
    return f"--store={finished.store.root}"


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], Contents]:
    """What the files of a folder hold, by their names in it."""

    def read(root: Path) -> Contents:
        files = (path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    return read
