"""Score a file of predictions as a task would: the same as `harness score`."""

import sys

from harness.cli.entry import run_command
from harness.cli.score import main

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
