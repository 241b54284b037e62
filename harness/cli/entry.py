"""How a command line ends: its exit code, and one line for what is wrong."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import NoReturn

from harness.errors import HarnessError, StageFailed, Terminated, is_full, printable, told_by

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)  # which of them comes is a setting of batch systems


@contextmanager
def _terminable() -> Iterator[None]:
    """Have these signals unwind what runs, so that ranks are ended and locks given back, which
    other machines would wait for otherwise. A handler of somebody else's stays."""
    default = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    mine = default if current_thread() is main_thread() else []

    def end(number: int, frame: object) -> None:
        for each in mine:
            signal.signal(each, signal.SIG_IGN)  # once is enough
        raise Terminated(number)

    for number in mine:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def run_command(main: Callable[[list[str]], int], argv: list[str]) -> NoReturn:
    """Run a command line; a wrong input becomes one line per mistake on stderr and exit code 2, a
    failed stage or a full disk exit code 1, Ctrl-C 130, SIGTERM 143, SIGUSR1 138."""
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
    except Terminated as ended:
        name = signal.Signals(ended.number).name
        print(f"ended by {name}; the same command goes on where it stopped", file=sys.stderr)
        code = 128 + ended.number
    except StageFailed as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        code = 1
    except (HarnessError, OSError) as error:
        code = _told(error)
    except ModuleNotFoundError as missing:
        code = _not_there(missing)
    sys.exit(code)


def _told(error: HarnessError | OSError) -> int:
    """Say what is wrong; returns the exit code. Raises what is not meant for users."""
    if is_full(error):
        frees = "`python -m harness store du --store ROOT` says what `store clean` would free"
        print(f"error: {printable(str(error))}; {frees}", file=sys.stderr)
        return 1
    if not isinstance(error, HarnessError):
        raise error
    for line in told_by(error):
        told = " ".join(line.split("\n"))  # names of others may be of several lines
        print(f"error: {printable(told)}", file=sys.stderr)
    return 2


def _not_there(missing: ModuleNotFoundError) -> int:
    """Say that this Python has not what the harness stands on, as one outside its environment;
    returns the exit code. Raises what is missing of the harness itself."""
    package = (missing.name or "").partition(".")[0]
    if package in ("", __name__.partition(".")[0]):
        raise missing
    print(
        f"error: the package '{package}' is not installed for {sys.executable}; use the harness's "
        "environment (`make setup`, then `source .venv/bin/activate`), or install it there",
        file=sys.stderr,
    )
    return 2
