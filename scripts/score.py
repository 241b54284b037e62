"""Score a file of predictions as a task would: the same as `harness score`."""

import sys

from harness.errors import run_command
from harness.metrics.score_command import main

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
