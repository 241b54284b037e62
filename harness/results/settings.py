"""Settings of runs that are shown together: what differs between them, in words, in order."""

import json
from collections.abc import Sequence
from typing import Any

from harness.store.scores import Settings, is_finite, is_number


def differences(every: Sequence[Settings]) -> list[Settings]:
    """Of each mapping what is not the same in all of them, in the order of the keys."""
    shared = {
        name
        for name, value in (every[0] if every else {}).items()
        if all(name in other and other[name] == value for other in every)
    }
    return [{name: some[name] for name in sorted(some) if name not in shared} for some in every]


def in_words(settings: Settings) -> str:
    """`key=value, key=value`, numbers in their shortest form."""
    return ", ".join(f"{name}={_text(value)}" for name, value in settings.items())


def in_order(settings: Settings, names: Sequence[str]) -> tuple[tuple[int, float, str], ...]:
    """A key to sort by: absent values first, then numbers by size, then the rest by its text."""
    return tuple(_rank(settings, name) for name in names)


def _rank(settings: Settings, name: str) -> tuple[int, float, str]:
    if name not in settings:
        return 0, 0.0, ""
    value = settings[name]
    return (
        (1, float(value), "") if is_number(value) and is_finite(value) else (2, 0.0, _text(value))
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
