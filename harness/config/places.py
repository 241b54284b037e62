"""Where the config groups lie, and what they hold."""

import os
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf

from harness.config.override_keys import accept_leading_digits
from harness.errors import ConfigError, first_line

accept_leading_digits()
PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir() -> Path:
    """The config groups: inside the installed package, or beside it in a clone."""
    installed = PACKAGE / "conf"
    return installed if installed.is_dir() else PACKAGE.parent / "conf"


def sequence_tasks(name: str) -> tuple[str, ...]:
    """The tasks of an option of the `sequence` group, in its order; none without such an option."""
    path = conf_dir() / "sequence" / f"{name}.yaml"
    if Path(name).name != name or not path.is_file():
        return ()
    for entry in OmegaConf.load(path).get("defaults", []):
        if OmegaConf.is_dict(entry) and "override /task" in entry:
            return tuple(str(task).rpartition("/")[2] for task in entry["override /task"])
    return ()


def option_names(group: str, overrides: list[str]) -> list[str]:
    """The options of a config group, those of `hydra.searchpath` folders included."""
    folders = [conf_dir(), *search_path(overrides)]
    files = [
        (folder / group, path) for folder in folders for path in (folder / group).rglob("*.yaml")
    ]
    return sorted({str(path.relative_to(top).with_suffix("")) for top, path in files})


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
    try:
        return OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise ConfigError(f"{first_line(error)} (write key=value)") from error
