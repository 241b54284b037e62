"""Command-line arguments whose mistakes are one-line errors."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from harness.config import StoreConfig
from harness.errors import ConfigError
from harness.store.layout import TABLE


class Arguments(argparse.ArgumentParser):
    """An argument parser that raises ConfigError instead of printing its usage and exiting.

    It refuses empty words: as a folder an unset variable would mean the current one.
    """

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse's, which `parse_args` calls."""
        for before, word in zip(["", *(args or [])], args or [], strict=False):
            if not word.strip() or re.fullmatch(r"--[\w-]+=\s*", word):
                name = word.rstrip("= ") or (before if before.startswith("--") else "")
                self.error(f"{name or 'an argument'}: its value is empty")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Turn a parsing mistake into one line that names the command and its help."""
        raise ConfigError(f"{self.prog}: {message} (see {self.prog} --help)")


def results_folder() -> Path:
    """Where results lie unless a command line says otherwise."""
    return Path(StoreConfig().results)


def scores_file() -> Path:
    """The table of scores there."""
    return results_folder() / TABLE


def add_places(parser: Arguments) -> None:
    """--store and --results, with the places of a run as their defaults."""
    store, results = Path(StoreConfig().root), results_folder()
    parser.add_argument("--store", type=Path, default=store, help=f"the store ({store})")
    parser.add_argument("--results", type=Path, default=results, help=f"the table's ({results})")
