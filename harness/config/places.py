"""Where the config groups lie, and what they hold."""

import os
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
    folders: list[Path] = []
    for item in parse(overrides):
        if item.key_or_group == "hydra.searchpath" and isinstance(item.value(), list):
            folders += [Path(str(entry).removeprefix("file://")) for entry in item.value()]
    return folders


def own_folder(path: str) -> list[str]:
    """The override that adds a user's config folder to the package's. Raises ConfigError."""
    folder = os.path.abspath(path)
    if not os.path.isdir(folder):
        raise ConfigError(f"--config-dir: there is no folder {folder}")
    return [f"hydra.searchpath=['file://{folder}']"]


def parse(overrides: list[str]) -> list[Override]:
    """Parse overrides with Hydra's grammar; a syntax error is a ConfigError."""
    try:
        return OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise ConfigError(f"{first_line(error)} (write key=value)") from error
