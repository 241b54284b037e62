"""Keys such as `task.20Minuten.epochs` in overrides.

A part of a dotted key is a name or a number to Hydra's grammar, so it has no place for a name that
begins with a digit; all that comes after the grammar takes one. So the parser reads such a part
with a mark before it and hands on the key as it was written.
"""

import re
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

_NAME_WITH_DIGIT = re.compile(r"(?<=\.)(?=\d+[A-Za-z_])")
_MARK = "_digit_"
_parse_rule = OverridesParser.parse_rule


def accept_leading_digits() -> None:
    """Make Hydra's parser accept them, in this process."""
    OverridesParser.parse_rule = _parse  # type: ignore[method-assign]


def _parse(parser: OverridesParser, text: str, rule: str) -> Any:
    key, equals, value = text.partition("=")
    readable = _NAME_WITH_DIGIT.sub(_MARK, key)
    if rule != "override" or readable == key:
        return _parse_rule(parser, text, rule)
    override = _parse_rule(parser, f"{readable}{equals}{value}", rule)
    override.key_or_group = override.key_or_group.replace(_MARK, "")
    override.package = override.package and override.package.replace(_MARK, "")
    override.input_line = text
    return override
