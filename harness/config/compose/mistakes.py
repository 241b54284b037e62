"""All that composing refuses, not only the first: what is refused is left out, and the rest tried.

Only where something is wrong, since every try composes once more.
"""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from harness.config import HarnessConfig
from harness.config.compose.compose import compose_job, load_job
from harness.config.places import config_groups, parse
from harness.errors import ConfigError, HarnessError

Compose = Callable[[list[str]], object]


@dataclass
class Attempt:
    """What composing gave. config: none where it cannot be told what was meant. asks_hydra: for
    more than to compose. lines: what was refused. left_out: the keys that are missing in the
    configuration for that."""

    config: HarnessConfig | None = None
    asks_hydra: bool = False
    lines: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def about_others(self, mistakes: list[str]) -> list[str]:
        """The mistakes that do not stem from what was left out: those of other sections."""
        sections = [rf"\b{re.escape(key.partition('.')[0])}[.=]" for key in self.left_out]
        return [line for line in mistakes if not any(re.search(s, line) for s in sections)]


def attempt(overrides: list[str], known: Container[str] = ()) -> Attempt:
    """Compose, with all mistakes where there are some. known: lines that other jobs of a sweep
    were refused with, whose cause is not sought again."""
    found, left = Attempt(), list(overrides)
    while found.config is None:
        try:
            found.config, found.asks_hydra = load_job(left)
        except ConfigError as error:
            found.lines.append(str(error))
            if str(error) in known:
                break
            culprit = _culprit(left, str(error), load_job)
            if culprit is None or _key(culprit).startswith("hydra"):
                break
            if _key(culprit) in config_groups():
                found.lines += _wrong_choices([word for word in left if word != culprit])
                break
            found.left_out.append(_key(culprit))
            left.remove(culprit)
    return found


def _wrong_choices(overrides: list[str]) -> list[str]:
    """Of an option that is wrong all keys hang, so only the other groups are looked at."""
    groups = {*config_groups(), "hydra.searchpath"}
    left, lines = [word for word in overrides if _key(word) in groups], list[str]()
    while True:
        try:
            compose_job(left)
            return lines
        except ConfigError as error:
            culprit = _culprit(left, str(error), compose_job)
            if culprit is None:
                return lines
            lines.append(str(error))
            left.remove(culprit)


def _culprit(overrides: list[str], message: str, compose: Compose) -> str | None:
    """The override without which composing does not fail, or fails otherwise: those whose words are
    in the message first."""

    def unspoken(word: str) -> bool:
        key, value = _key(word), word.partition("=")[2].strip("[]'\"")
        return not any(part and part in message for part in (key, value))

    for word in sorted(overrides, key=unspoken):
        try:
            compose([other for other in overrides if other != word])
        except HarnessError as error:
            if str(error) == message:
                continue
        return word
    return None


def _key(word: str) -> str:
    (override,) = parse([word])
    return str(override.key_or_group)
