"""Fetch what a run reads from the network: the same as `harness prefetch`."""

import sys

from harness.cli import prefetch
from harness.errors import run_command

if __name__ == "__main__":
    run_command(prefetch, sys.argv[1:])
