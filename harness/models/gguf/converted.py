"""A GGUF file as a folder in Hugging Face's layout, which every other part of the harness reads.

The folder lies in the cache of a store, named after the file's content. It holds the weights in
fp32: values of 4 bits with a scale and an offset in fp16 are exact there, and not in bf16.
"""

import shutil
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from harness.errors import ConfigError, require
from harness.store.exclusive import exclusive
from harness.store.folders import appearing, require_writable
from harness.store.helper import call
from harness.store.keys import FileHashes
from harness.store.layout import CONVERTED, HASHES, cache_place

SUFFIX = ".gguf"
_MAGIC = b"GGUF"
_PLACE = "model.path"
_FAILED = dict[str, ConfigError]()  # by the folder's name: each job of a sweep asks again


def is_gguf(path: str) -> bool:
    """Does a model's path name a GGUF file?"""
    return path.endswith(SUFFIX)


def converted_before(path: str, store: Path) -> Path | None:
    """The folder of a GGUF file that the cache of `store` is known to hold; reads no more of the
    file than its first bytes. Raises ConfigError where these are of no such file."""
    file = Path(path)
    _require_gguf(file)
    known = FileHashes(cache_place(store, HASHES)).known(file)
    folder = None if known is None else _folder(file, known, store)
    return folder if folder is not None and folder.is_dir() else None


def converted(path: str, store: Path) -> Path:
    """The folder of a GGUF file, converted where the cache of `store` does not hold it yet: whole
    or not at all, by one process. Raises ConfigError for a file that cannot be read."""
    file = Path(path)
    _require_gguf(file)
    hashes = FileHashes(cache_place(store, HASHES))
    folder = _folder(file, hashes.file(file), store)
    if not folder.is_dir():
        _require_package()
        require_writable(folder.parent, "store.root")
        with exclusive(folder.parent):
            if not folder.is_dir():
                _convert(file, folder)
    with suppress(OSError):  # of a store that is only read
        hashes.save()
    return folder


def _folder(file: Path, sha256: str, store: Path) -> Path:
    return cache_place(store, CONVERTED) / f"{file.stem}-{sha256[:16]}"


def _convert(file: Path, folder: Path) -> None:
    if folder.name in _FAILED:
        raise _FAILED[folder.name]
    for killed in folder.parent.glob(".*.*"):  # nobody else converts now
        shutil.rmtree(killed, ignore_errors=True)
    try:
        with appearing(folder) as working:
            request = {"file": str(file.absolute()), "folder": str(working)}
            call("harness.models.gguf.convert", request, f"{_PLACE}: converting {file}")
    except ConfigError as error:
        _FAILED[folder.name] = error
        raise
    print(f"{_PLACE}: {file} was converted, once, into {folder}", file=sys.stderr, flush=True)


def _require_gguf(file: Path) -> None:
    require(file.is_file(), f"{_PLACE}: there is no file {file}")
    try:
        with file.open("rb") as stream:
            begin = stream.read(len(_MAGIC))
    except OSError as error:
        raise ConfigError(f"{_PLACE}: {file} cannot be read ({error.strerror})") from error
    require(
        begin == _MAGIC,
        f"{_PLACE}: {file} is no GGUF file (it does not begin with 'GGUF'); fetch it again",
    )


def _require_package() -> None:
    require(
        find_spec("gguf") is not None,
        f"{_PLACE}: a GGUF file needs the package gguf: pip install 'trace-harness[real]'",
    )
