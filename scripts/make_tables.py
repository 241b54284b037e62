"""Write every table and heat map from the table of scores: the same as `harness tables`."""

import sys

from harness.cli.entry import run_command
from harness.cli.tables import main

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
