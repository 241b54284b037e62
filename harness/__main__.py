"""`python -m harness [verb] overrides`: the command line. No verb means run."""

import sys

from harness.cli.entry import run_command
from harness.cli.main import main
from harness.run.launch.early import start_early


def entry() -> None:
    """The `harness` command."""
    start_early(sys.argv[1:])
    run_command(main, sys.argv[1:])


if __name__ == "__main__":
    entry()
