"""Train and score what is missing of a run: the same as `harness run`."""

import sys

from harness.cli.entry import run_command
from harness.cli.run import main

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
