"""Compute OP, BWT and their kin from a CSV file of scores: the same as `harness metrics`."""

import sys

from harness.cli.entry import run_command
from harness.cli.metrics import main

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
