"""Folders that appear whole, and proofs that one can be written; imports no torch."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from harness.errors import ConfigError
from harness.store.durable import make_folder, sync_folder, sync_tree
from harness.store.leases import Leases


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `out` on leaving without an error, replacing what is there.

    It is filled beside `out`; what a process that is gone left there is removed by the next one.
    Raises ConfigError where nothing can be written.
    """
    place = out.absolute()
    require_writable(place.parent, f"--out {out}")
    leases = Leases(place.parent, f".{place.name}.")
    leases.sweep(place.parent.glob(f".{escape(place.name)}.*"))
    with leases.taken() as token, filled(place, leases, token) as working:
        yield working


@contextmanager
def filled(place: Path, leases: Leases, token: str) -> Iterator[Path]:
    """The same for the holder of a lease, or a process that works for it; leftovers stay. Once this
    is left, a loss of power takes nothing of it.

    Raises StageFailed where the lease was lost meanwhile.
    """
    working = working_path(place, token)
    replaced = place.with_name(f".{place.name}.old.{token}")
    shutil.rmtree(working, ignore_errors=True)
    make_folder(place.parent)
    working.mkdir()
    try:
        yield working
        sync_tree(working)
        leases.require(token)
        if place.exists():
            os.replace(place, replaced)
        os.replace(working, place)
        sync_folder(place.parent)
    except Exception:
        leases.require(token)  # whoever found the lease dead may have removed the folder
        raise
    finally:
        shutil.rmtree(working, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def working_path(place: Path, token: str) -> Path:
    """Where the holder of a lease fills a folder before it appears."""
    return place.with_name(f".{place.name}.{token}")


def require_writable(folder: Path, key: str) -> None:
    """Create a folder and prove that a file can be written there; else ConfigError."""
    probe = folder / f".probe.{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"{key}: {folder} cannot be written ({reason}); choose another folder"
        ) from error
