"""Make a new model folder from finished ones: the same as `harness edit`."""

import sys

from harness.edits.command import main
from harness.errors import run_command

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
