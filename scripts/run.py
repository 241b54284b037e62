"""Train and score what is missing of a run: the same as `harness run`."""

import sys

from harness.cli import run
from harness.errors import run_command

if __name__ == "__main__":
    run_command(run, sys.argv[1:])
