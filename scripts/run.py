"""Train and score what is missing of a run: the same as `harness run`."""

import sys

from harness.cli.entry import run_command
from harness.cli.main import run

if __name__ == "__main__":
    run_command(run, sys.argv[1:])
