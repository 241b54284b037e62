"""The help page lists every key of the configuration."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from harness.cli.help import help_text
from harness.config import HarnessConfig, MethodConfig


def keys(section: type, prefix: str = "") -> Iterator[str]:
    """Patterns of the keys of a section and of those below it; any name stands for a user's."""
    types = get_type_hints(section)
    for spec in fields(section):
        place = f"{prefix}{re.escape(spec.name)}"
        kind: Any = MethodConfig if place == "method" else types[spec.name]
        inner = [item for item in (kind, *get_args(kind)) if is_dataclass(item)]
        if not inner:
            yield place
        named = r"\.<\w+>" if inner and inner != [kind] and type(None) not in get_args(kind) else ""
        for item in inner:
            yield from keys(item, rf"{place}{named}\.")


def test_every_key_is_listed() -> None:
    text = help_text()
    wanted = list(keys(HarnessConfig))
    for known in ("judge\\.workers", "method\\.adapter\\.rank", "suite\\.<\\w+>\\.benchmarks"):
        assert any(key.startswith(known) for key in wanted)
    for key in wanted:
        assert re.search(rf"^  {key} ", text, re.MULTILINE), key
