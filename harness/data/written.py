"""Files that a preparation would write: are they there already?"""

from pathlib import Path

from harness.errors import DataError
from harness.store.files import file_sha256


def is_there(path: Path, sha256: str, source: str) -> bool:
    """Is a file there with these bytes? Raises DataError for one with others than `source` has."""
    if not path.is_file():
        return False
    if file_sha256(path) != sha256:
        raise DataError(f"{path}: differs from {source}; remove it to have it written again")
    return True
