"""Hydra's composition, of which most is remembered: what the options of the groups give.

Jobs of a sweep, and the attempts to tell what is wrong in one, differ in values more than in
options, and setting values takes a small part of the time that reading and merging the options'
files does. What is remembered belongs to the bytes of all files that were there to be read, so a
file that was changed is read.
"""

import os
import pickle
import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from hydra import compose
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from harness.config.places import config_folders, parse


def compose_whole(overrides: list[str]) -> DictConfig:
    """As `hydra.compose`, with the node of Hydra's own; Hydra must have been initialised."""
    parted = _parted(overrides)
    if parted is None:
        return compose("config", overrides=overrides, return_hydra_config=True)
    options, values, state = parted
    composed: DictConfig = pickle.loads(_of_options(options, state))
    try:
        ConfigLoaderImpl._apply_overrides_to_config(values, composed)
    except OmegaConfBaseException as error:
        raise ConfigCompositionException from error
    return composed


def chosen_options(overrides: list[str]) -> Iterator[str]:
    """Every file that a composition reads, as "group/option", found when the first is asked for.
    Hydra must have been initialised."""
    parted = _parted(overrides)
    yield from _chosen(parted[0], parted[2]) if parted else _chosen_now(overrides)


@lru_cache(maxsize=256)
def _of_options(options: tuple[str, ...], state: str) -> bytes:
    """The pickle of a composition, from which copies are made faster than by `deepcopy`. state:
    tells apart what the same words give."""
    composed = compose("config", overrides=list(options), return_hydra_config=True)
    return pickle.dumps(composed, pickle.HIGHEST_PROTOCOL)


@lru_cache(maxsize=256)
def _chosen(options: tuple[str, ...], state: str) -> tuple[str, ...]:
    return _chosen_now(list(options))


def _chosen_now(overrides: list[str]) -> tuple[str, ...]:
    loader = GlobalHydra.instance().config_loader()
    listed = loader.compute_defaults_list("config", overrides, RunMode.RUN).defaults
    return tuple(str(item.config_path) for item in listed)


def _parted(overrides: list[str]) -> tuple[tuple[str, ...], list[Override], str] | None:
    """The overrides that choose options, those that set values, which Hydra applies behind all of
    the former, and the state of the files; None where Hydra alone can tell which is which."""
    folders = config_folders(overrides)
    options, values = list[str](), list[Override]()
    for item in parse(overrides):
        key = str(item.key_or_group)
        is_group = any((folder / key).is_dir() for folder in folders)
        if key == "hydra.searchpath" or (is_group and not isinstance(item.value(), dict)):
            options.append(str(item.input_line))
        elif is_group or item.is_sweep_override() or item.package is not None or _foreign(key):
            return None
        else:
            values.append(item)
    state = _state(folders)
    return (tuple(options), values, state) if state else None


def _foreign(key: str) -> bool:
    """May a key be Hydra's, or a group that is in no folder?"""
    stored = ConfigStore.instance().repo
    return "/" in key or key in stored or key.partition(".")[0] == "hydra"


def _state(folders: list[Path]) -> str | None:
    """What a composition depends on beside its overrides: the config files, and the variables that
    these name. None where a folder is of another kind than those on a disk."""
    digest, names = sha256(), set[bytes]()
    try:
        for path in _files(folders):
            status = os.stat(path)
            read = _read(
                path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
            )
            names.update(read[1])
            digest.update(f"{path}\0".encode() + read[0])
    except OSError:
        return None
    variables = [(name, os.environb.get(name)) for name in sorted(names)]
    digest.update(repr(variables).encode())
    return digest.hexdigest()


@lru_cache(maxsize=1 << 16)
def _read(path: str, *status: int) -> tuple[bytes, list[bytes]]:
    """The hash of a file and the variables that it names; status: tells when to read it again
    (nobody sets the time of a change of the file's entry)."""
    content = Path(path).read_bytes()
    return sha256(content).digest(), re.findall(rb"oc\.env:\s*(\w+)", content)


def _files(folders: list[Path]) -> Iterator[str]:
    """All config files in these folders. Raises OSError for what is no folder."""
    for folder in folders:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if entry.is_dir():
                yield from _files([Path(entry.path)])
            elif entry.name.endswith(".yaml"):
                yield entry.path
