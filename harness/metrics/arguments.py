"""Command-line arguments whose mistakes are one-line errors."""

from __future__ import annotations

import argparse
from typing import NoReturn

from harness.errors import ConfigError


class Arguments(argparse.ArgumentParser):
    """An argument parser that raises ConfigError instead of printing its usage and exiting."""

    def error(self, message: str) -> NoReturn:
        """Turn a parsing mistake into one line that names the command and its help."""
        raise ConfigError(f"{self.prog}: {message} (see {self.prog} --help)")
