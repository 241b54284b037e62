"""Compute OP, BWT and their kin from a CSV file of scores: the same as `harness metrics`."""

import sys

from harness.errors import run_command
from harness.metrics.command import main

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
