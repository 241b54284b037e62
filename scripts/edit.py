"""Make a new model folder from finished ones: the same as `harness edit`."""

import sys

from harness.cli.edit import main
from harness.cli.entry import run_command

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
