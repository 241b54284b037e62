"""Step time and memory of every method beside sequential fine-tuning."""

import sys

from harness.cli.entry import run_command
from harness.run.bench import main

if __name__ == "__main__":
    run_command(main, sys.argv[1:])
