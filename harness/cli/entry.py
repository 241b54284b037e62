"""How a command line ends: its exit code, and one line for what is wrong."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import NoReturn

from harness.errors import HarnessError, StageFailed, told_by


class _Terminated(BaseException):
    """Somebody sent SIGTERM, as batch systems do before they take a machine away."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM unwind what runs, so that ranks are ended and locks given back, which other
    machines would wait for otherwise. A handler of somebody else's stays."""
    mine = current_thread() is main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not mine:
        yield
        return

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        raise _Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def run_command(main: Callable[[list[str]], int], argv: list[str]) -> NoReturn:
    """Run a command line; a wrong input becomes one line per mistake on stderr and exit code 2, a
    failed stage exit code 1, Ctrl-C 130, SIGTERM 143."""
    try:
        with _terminable():
            code = main(argv)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (`| head`) has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on where it stopped", file=sys.stderr)
        code = 130
    except _Terminated:
        print("ended by SIGTERM; the same command goes on where it stopped", file=sys.stderr)
        code = 143
    except StageFailed as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except HarnessError as error:
        for line in told_by(error):
            print(f"error: {line}", file=sys.stderr)
        code = 2
    sys.exit(code)
