"""Keys and passwords stay in the environment: a configuration is written into manifests, records
and tables, and printed."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import ConfigError

_SECRET = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)(_|$)", re.I)
_NONE = re.compile(r"(_(FILE|PATH|DIR|CREDENTIALS)|^KEY|^TOKEN)$", re.I)  # places, and any word
_IN_ADDRESS = re.compile(r"://[^/?#\s@]+:[^/?#\s@]+@")
_SHORTEST = 16  # what is shorter may be a word that other keys hold as well
_SHORTEST_OF_JUDGE, _LONGEST_WORD = 8, 12


def refuse_secrets(config: Any, told: Mapping[str, str] = os.environ) -> None:
    """Raise ConfigError where a configuration (plain mappings and lists) holds the value of a
    variable that is one for secrets, or an address with a password. The message does not."""
    wanted = str((config.get("judge") or {}).get("key_variable") or "")
    held = {name: value for name, value in told.items() if _is_secret(name, value, wanted)}
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


def without_secrets(text: str, told: Mapping[str, str] = os.environ) -> str:
    """A text of others' making, in which no value of a variable for secrets is left."""
    for name, value in told.items():
        if _is_secret(name, value, ""):
            text = text.replace(value, "***")
    return text


def _is_secret(name: str, value: str, wanted: str) -> bool:
    """Does a variable hold a secret? wanted: the one of the judge's key, which may be called and
    look like anything but an ordinary word."""
    has_digit = any(letter.isdigit() for letter in value)
    if name == wanted:
        return len(value) >= _SHORTEST_OF_JUDGE and (has_digit or len(value) > _LONGEST_WORD)
    if not _SECRET.search(name) or _NONE.search(name):
        return False
    return has_digit and len(value) >= _SHORTEST and "/" not in value and not os.path.lexists(value)


def _texts(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Dotted key -> every text in it."""
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _texts(value, f"{key}.{name}".lstrip("."))
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value, key)
