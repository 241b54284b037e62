"""Fetch what a run reads from the network: the same as `harness prefetch`."""

import sys

from harness.cli.entry import run_command
from harness.cli.prefetch import main

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
