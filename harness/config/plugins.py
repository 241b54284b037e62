"""Packages that bring parts and config groups of their own: entry points of the group `harness`.

The value of an entry point is the name of a package, say `sample`. Its folder `conf` joins the
config groups, and `sample.methods`, `.edits`, `.objectives`, `.scorers` and `.sources` hold parts
with public names, as far as they exist. What does not load is told once, in one line on stderr, and
left out. Imports no torch, unless a plug-in does.
"""

import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from harness.errors import ConfigError, kind_and_line

GROUP = "harness"
_left_out: list[str] = []


@dataclass(frozen=True)
class Plugin:
    """An installed plug-in. told: what people know it by. folders: its config folders."""

    told: str
    module: str
    folders: tuple[Path, ...]


@cache
def plugins() -> tuple[Plugin, ...]:
    """The plug-ins that load, in the order of their names; read once per process."""
    found: dict[str, Plugin] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        told = _told(entry)
        try:
            found.setdefault(entry.module, Plugin(told, entry.module, _folders(entry)))
        except (Exception, SystemExit) as error:  # code of others may fail with anything
            leave_out(f"{told} does not load: {kind_and_line(error)}")
    return tuple(found.values())


def conf_folders() -> list[Path]:
    """The config folders of all plug-ins."""
    return [folder for plugin in plugins() for folder in plugin.folders]


def modules(name: str) -> list[str]:
    """Dotted paths of the modules of this name in the plug-ins that have one."""
    paths = [f"{plugin.module}.{name}" for plugin in plugins()]
    return [path for path in paths if find_spec(path)]


def owner(place: Path | str) -> str | None:
    """The plug-in that a file of its config folders or a module belongs to."""
    for plugin in plugins():
        if isinstance(place, Path):
            mine = any(place.is_relative_to(folder) for folder in plugin.folders)
        else:
            mine = f"{place}.".startswith(f"{plugin.module}.")
        if mine:
            return plugin.told
    return None


def leave_out(problem: str) -> None:
    """Tell what does not work in a plug-in; each problem once per process."""
    if problem not in _left_out:
        _left_out.append(problem)
        print(f"warning: {problem}", file=sys.stderr)


def broken() -> str:
    """What was left out, in brackets, for the message that something is not there."""
    plugins()
    return f" ({'; '.join(_left_out)})" if _left_out else ""


def _told(entry: EntryPoint) -> str:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
    return f"plug-in '{entry.name}' of {package}"


def _folders(entry: EntryPoint) -> tuple[Path, ...]:
    """The folders `conf` beside the `__init__.py` of the package that an entry point names."""
    paths = getattr(entry.load(), "__path__", None)
    if paths is None:
        raise ConfigError(f"{entry.value} is no package (a folder with modules)")
    return tuple(folder for path in paths if (folder := Path(path).resolve() / "conf").is_dir())
