"""Write every table and heat map from the table of scores: the same as `harness tables`."""

import sys

from harness.errors import run_command
from harness.report.command import main

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
