"""Versions of the libraries that made scores: which ones a table mixes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

PACKAGES = ("torch", "transformers", "lm_eval")  # on which numbers depend most
SHOWN = 3  # runs that are named for one version

Versions = dict[str, str]  # package -> version


class Made(Protocol):
    """A run, and the (package, version) pairs with which its nodes were made."""

    @property
    def name(self) -> str: ...

    @property
    def versions(self) -> frozenset[tuple[str, str]]: ...


def told_versions(manifest: Mapping[str, Any]) -> Versions | None:
    """What a node's manifest says; null for one of another program."""
    told = manifest.get("versions") or {}
    return {name: told[name] for name in PACKAGES if name in told} or None


def mixed_versions(runs: Iterable[Made]) -> tuple[str, ...]:
    """One line where runs, or nodes of one run, were made with several versions of a library: which
    ones, and in which runs; none where all agree."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for package, version in sorted(run.versions):
            found[package][version].append(run.name)
    told = [
        f"{package} {', '.join(f'{version} ({_named(names)})' for version, names in some.items())}"
        for package, some in sorted(found.items())
        if len(some) > 1
    ]
    return (f"made with several versions of libraries: {'; '.join(told)}.",) if told else ()


def _named(runs: list[str]) -> str:
    listed = ", ".join(runs[:SHOWN])
    more = f" and {len(runs) - SHOWN} more" if len(runs) > SHOWN else ""
    return f"{'runs' if len(runs) > 1 else 'run'} {listed}{more}"
