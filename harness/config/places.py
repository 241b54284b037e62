"""Where the config groups lie, and what they hold."""

import io
import os
import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf

from harness.config.allowed import require_allowed
from harness.config.override_keys import accept_leading_digits
from harness.config.plugins import conf_folders, owner
from harness.errors import ConfigError, first_line

accept_leading_digits()
PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir() -> Path:
    """The config groups: inside the installed package, or beside it in a clone."""
    installed = PACKAGE / "conf"
    return installed if installed.is_dir() else PACKAGE.parent / "conf"


def config_groups() -> list[str]:
    """The names of the config groups; what is below hydra/ adds to Hydra's own."""
    return sorted(
        path.name for path in conf_dir().iterdir() if path.is_dir() and path.name != "hydra"
    )


def read_yaml(path: Path) -> Any:
    """A config file as `OmegaConf.load` gives it, parsed again only where its text has changed."""
    return deepcopy(_parsed_yaml(str(path), path.read_text(encoding="utf-8")))


@lru_cache(maxsize=1024)
def _parsed_yaml(name: str, text: str) -> Any:
    stream = io.StringIO(text)
    stream.name = name  # which the message of a syntax error tells
    return OmegaConf.load(stream)


def package_file(path: str, package: str = "harness", install: str | None = None) -> str:
    """Where a file or folder inside an installed package lies (`${package:path,package,install}`);
    the package is not imported, only one around it. Raises ConfigError where it or the file is not
    there; install: the command that brings them."""
    if "." in package:
        require_allowed(package, "package")  # it is imported for that
    try:
        found = find_spec(package)
    except ModuleNotFoundError:  # of a package around it
        found = None
    folders = [] if found is None else list(found.submodule_search_locations or [])
    hint = f"; run: {install}" if install else ""
    if not folders:
        raise ConfigError(f"the package {package} is not installed{hint}")
    place = Path(folders[0]) / path
    if install and not place.exists():
        raise ConfigError(f"the package {package} has no {path}{hint}")
    return str(place)


def sequence_tasks(name: str) -> tuple[str, ...]:
    """The tasks of an option of the `sequence` group, in its order; none without such an option."""
    path = option_files("sequence", []).get(name)
    if path is None:
        return ()
    for entry in read_yaml(path).get("defaults", []):
        if OmegaConf.is_dict(entry) and "override /task" in entry:
            return tuple(str(task).rpartition("/")[2] for task in entry["override /task"])
    return ()


def config_folders(overrides: list[str]) -> list[Path]:
    """All folders with config groups in Hydra's order: the package's, plug-ins', the user's."""
    return [conf_dir(), *conf_folders(), *search_path(overrides)]


def option_names(group: str, overrides: list[str]) -> list[str]:
    """The options of a config group in all folders."""
    return sorted(option_files(group, overrides))


def option_files(group: str, overrides: list[str]) -> dict[str, Path]:
    """The options of a config group and the file of each that Hydra finds first."""
    found: dict[str, Path] = {}
    for folder in config_folders(overrides):
        top = folder / group
        for path in top.rglob("*.yaml"):
            found.setdefault(str(path.relative_to(top).with_suffix("")), path)
    return found


def refuse_clashes(options: Iterable[str], overrides: list[str]) -> None:
    """Raise ConfigError where one of these options ("method/replay") is brought by a plug-in or by
    the user and by another folder too, of which Hydra would take the first in silence. Options are
    only asked for where there are such ones."""
    double = _brought_twice(overrides)
    for option in options if double else ():
        if paths := double.get(option):
            owners = [owner(path) for path in paths]
            both = " and ".join(
                f"{path} ({own})" if own else str(path)
                for path, own in zip(paths, owners, strict=True)
            )
            told = option.replace("/", "=", 1)
            raise ConfigError(f"{told} may be {both}; rename or remove all but one")


def _brought_twice(overrides: list[str]) -> dict[str, list[Path]]:
    """Option of a plug-in or of the user -> its files, where it is more than one."""
    found: dict[str, list[Path]] = {}
    tops = [*conf_folders(), *search_path(overrides)]
    brought = [(path, top) for top in tops for path in top.rglob("*.yaml")]
    for inside in (path.relative_to(top) for path, top in brought):
        everywhere = [(folder / inside).resolve() for folder in config_folders(overrides)]
        existing = [path for path in dict.fromkeys(everywhere) if path.is_file()]
        found[str(inside.with_suffix(""))] = existing
    return {option: paths for option, paths in found.items() if len(paths) > 1}


def search_path(overrides: list[str]) -> list[Path]:
    """The config folders of the user (`hydra.searchpath`, which --config-dir sets)."""
    return [Path(entry.removeprefix("file://")) for entry in _entries(overrides)]


def _entries(overrides: list[str]) -> list[str]:
    found = [item.value() for item in parse(overrides) if _searched(item)]
    return [str(entry) for value in found if isinstance(value, list) for entry in value]


def _searched(item: Override) -> bool:
    return item.key_or_group == "hydra.searchpath"


def own_folders(paths: Sequence[str], overrides: Sequence[str] = ()) -> list[str]:
    """Overrides to which the user's config folders were added, of which Hydra knows one alone.
    Raises ConfigError."""
    folders = [os.path.abspath(path) for path in paths]
    for folder in folders:
        if not os.path.isdir(folder):
            raise ConfigError(f"--config-dir: there is no folder {folder}")
    if not folders:
        return list(overrides)
    given = {str(item.input_line) for item in parse(list(overrides)) if _searched(item)}
    listed = [*(f"file://{folder}" for folder in folders), *_entries(list(given))]
    quoted = ",".join("'" + entry.replace("'", "\\'") + "'" for entry in listed)
    return [f"hydra.searchpath=[{quoted}]", *(word for word in overrides if word not in given)]


def parse(overrides: list[str]) -> list[Override]:
    """Parse overrides with Hydra's grammar; a syntax error is a ConfigError."""
    return [_parsed(word) for word in overrides]


@lru_cache(maxsize=4096)
def _parsed(word: str) -> Override:
    """One override; every step of composing asks for all of them."""
    try:
        (override,) = OverridesParser.create().parse_overrides([word])
    except HydraException as error:
        raise ConfigError(_unread(word, first_line(error))) from error
    if not override.key_or_group:
        raise ConfigError(f"override '{word}': there is no key before the equals sign")
    return override


def _unread(word: str, told: str) -> str:
    """What the grammar says of an override, for people who have never seen it."""
    if "=" not in word and not word.startswith("~"):
        return f"override '{word}': there is no equals sign (write key=value)"
    stuck = re.search(r"(?:no viable alternative at|mismatched|extraneous) input '(.*?)'", told)
    place = f" at '{stuck[1]}'" if stuck and stuck[1] != "<EOF>" else ""
    return (
        f"override '{word}': it cannot be read{place}; are all brackets and quotes closed, and "
        "texts with spaces, commas or equals signs quoted? (write key=value)"
    )
