"""Config folders of plug-ins, on Hydra's search path behind the package's own."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from harness.config.compose.remembered import chosen_options
from harness.config.places import config_groups, refuse_clashes
from harness.config.plugins import conf_folders, leave_out, owner
from harness.errors import suggest


class PluginFolders(SearchPathPlugin):
    """What Hydra asks for folders whenever it begins to compose."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in conf_folders():
            search_path.append("plug-in", f"file://{folder}")
        _tell_unread_folders()


def register() -> None:
    """Make the config groups of plug-ins known to Hydra."""
    Plugins.instance().register(PluginFolders)


def refuse_chosen_clashes(overrides: list[str]) -> None:
    """Raise ConfigError where overrides choose an option that a plug-in and another folder have.
    Hydra, which would take the first, must have been initialised."""
    refuse_clashes(chosen_options(overrides), overrides)


def _tell_unread_folders() -> None:
    known = config_groups()
    for folder in conf_folders():
        for path in folder.iterdir():
            if path.is_dir() and path.name not in (*known, "hydra"):
                close = suggest(path.name, known)
                leave_out(f"{owner(path)}: conf/{path.name} is no config group{close}")
