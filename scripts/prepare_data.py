"""Check, fetch and unpack the data of a benchmark: the same as `harness data`."""

import sys

from harness.cli.data import main
from harness.cli.entry import run_command

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
