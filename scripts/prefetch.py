"""Fetch what a run reads from the network: the same as `harness prefetch`."""

import sys

from harness.cli.entry import run_command
from harness.cli.main import prefetch

if __name__ == "__main__":
    run_command(prefetch, sys.argv[1:])
