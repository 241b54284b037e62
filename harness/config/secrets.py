"""Keys and passwords stay in the environment: a configuration is written into manifests, records
and tables, and printed."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import ConfigError

_SECRET = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)(_|$)", re.I)
_IN_ADDRESS = re.compile(r"://[^/?#\s@]+:[^/?#\s@]+@")
_SHORTEST = 8  # a shorter value is a word like `none`, which other keys may hold as well


def refuse_secrets(config: Any, told: Mapping[str, str] = os.environ) -> None:
    """Raise ConfigError where a configuration (plain mappings and lists) holds the value of a
    variable that is one for secrets, or an address with a password. The message does not."""
    wanted = str((config.get("judge") or {}).get("key_variable") or "")
    held = {
        name: value
        for name, value in told.items()
        if (name == wanted or _SECRET.search(name)) and len(value) >= _SHORTEST
    }
    for key, text in _texts(config, ""):
        for name, value in held.items():
            if value in text:
                raise ConfigError(
                    f"{key}: holds what the environment variable {name} does; a configuration is "
                    "written down and printed, a secret stays in its variable"
                )
        if _IN_ADDRESS.search(text):
            raise ConfigError(
                f"{key}: an address with a password in it; a configuration is written down and "
                "printed"
            )


def _texts(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Dotted key -> every text in it, names of keys included."""
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, dict):
        for name, value in node.items():
            yield key or "a key", str(name)
            yield from _texts(value, f"{key}.{name}".lstrip("."))
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value, key)
