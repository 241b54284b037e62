"""Whose code a configuration may name: the harness's, plug-ins' and that of modules which the user
allows.

To import a module is to run it, and a configuration may be somebody else's. So a dotted path is
followed only where the command line (`code.allow=[my_module]`) or the environment allows its
module; a config file cannot (`harness.config.compose.claims`).
"""

import os
import re
from collections.abc import Iterable

from harness.config import plugins
from harness.errors import ConfigError

KEY = "code.allow"
VARIABLE = "HARNESS_ALLOW_CODE"  # modules as well, divided by commas
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_OURS = __name__.partition(".")[0]
ALLOWED = set[str]()  # modules, in this process


def allow(modules: Iterable[str], where: str = KEY) -> None:
    """Have this process follow dotted paths into these modules and what is in them. Raises
    ConfigError for a name that no module can have."""
    for name in modules:
        if not _PATH.fullmatch(name):
            raise ConfigError(f"{where}: '{name}' is no module; write {KEY}=[my_module]")
        ALLOWED.add(name)


def require_allowed(path: str, where: str) -> None:
    """Raise ConfigError, which begins with the key `where`, unless a dotted path may be followed;
    nothing is imported for that."""
    module = path.rpartition(".")[0]
    if not _PATH.fullmatch(path):
        raise ConfigError(f"{where}: {path!r} is no dotted path, like my_module.my_name")
    if not may_run(module):
        words = ",".join(sorted({*ALLOWED, module}))
        raise ConfigError(
            f"{where}: to run code of '{module}', which is neither the harness's nor a plug-in's, "
            f"add {KEY}=[{words}] to the command line, or set {VARIABLE}={words}"
        )


def may_run(module: str) -> bool:
    """Is it the harness's, a plug-in's, or one that the user allows?"""
    named = os.environ.get(VARIABLE, "").replace(" ", "").split(",")
    within = (f"{module}.".startswith(f"{name}.") for name in (_OURS, *ALLOWED, *named) if name)
    return any(within) or plugins.owner(module) is not None
