"""How a command line ends: its exit code, and one line for what is wrong."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from harness.errors import HarnessError, StageFailed, told_by


def run_command(main: Callable[[list[str]], int], argv: list[str]) -> NoReturn:
    """Run a command line; a wrong input becomes one line per mistake on stderr and exit code 2, a
    failed stage exit code 1, Ctrl-C 130."""
    try:
        code = main(argv)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (`| head`) has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on where it stopped", file=sys.stderr)
        code = 130
    except StageFailed as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except HarnessError as error:
        for line in told_by(error):
            print(f"error: {line}", file=sys.stderr)
        code = 2
    sys.exit(code)
