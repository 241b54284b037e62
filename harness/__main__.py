"""`python -m harness [verb] overrides`: the command line. No verb means run."""

import sys

from harness.cli.entry import run_command
from harness.cli.main import main


def entry() -> None:
    """The `harness` command."""
    run_command(main, sys.argv[1:])


if __name__ == "__main__":
    entry()
