"""The exceptions that a user may meet, and how a command line reports them."""

import difflib
import errno
import os
import re
import unicodedata
from collections.abc import Callable, Iterable

_CONTROLS = ("Cc", "Cf", "Cs")
_USER = re.compile(r"(?<=://)[^/?#\s@]+@")


class HarnessError(Exception):
    """Base of every error whose message is written for the user: one line, no traceback."""


class ConfigError(HarnessError):
    """The configuration or the command line is wrong; nothing was started."""


class Mistakes(ConfigError):
    """Several mistakes of one command line, one line each."""


class DataError(HarnessError):
    """A data file is missing or malformed."""


# What reading a file raises that is not what was written there.
DAMAGED = (
    *(DataError, OSError, ValueError, LookupError, TypeError, AttributeError),
    *(ArithmeticError, RecursionError),
)


class StageFailed(HarnessError):
    """A piece of work failed in a worker; the message names it and its log."""


class Diverged(StageFailed):
    """A loss that is no number, or above `train.loss_bound`: the same work would end so again.
    step, loss: of it, where they are known."""

    def __init__(self, line: str, step: int | None = None, loss: float | None = None) -> None:
        super().__init__(line)
        self.step, self.loss = step, loss


class OutOfMemory(StageFailed):
    """A step of training did not fit into memory; with fewer tokens a pass it may."""


class Terminated(BaseException):
    """Somebody sent a signal, as batch systems do before they take a machine away."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def printable(text: str) -> str:
    """As it may go to a terminal or a log, whoever wrote it: control characters, of which terminals
    make commands, are blanks, and an address tells no user and password."""
    shown = (" " if unicodedata.category(c) in _CONTROLS and c not in "\n\t" else c for c in text)
    return _USER.sub("***@", "".join(shown))


def require(condition: bool, message: str) -> None:
    """Raise ConfigError with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def refuse(mistakes: Iterable[str]) -> None:
    """Raise ConfigError for a mistake, Mistakes for several; one that is told twice counts once."""
    lines = list(dict.fromkeys(mistakes))
    if lines:
        raise (ConfigError if len(lines) == 1 else Mistakes)("\n".join(lines))


def mistakes_of(*checks: Callable[[], object]) -> list[str]:
    """What checks that raise have to say, one line for each that does."""
    lines = []
    for check in checks:
        try:
            check()
        except (ConfigError, DataError) as error:
            lines += told_by(error)
    return lines


def told_by(error: HarnessError) -> list[str]:
    """The lines of an error."""
    return str(error).split("\n") if isinstance(error, Mistakes) else [str(error)]


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something, else its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def kind_and_line(error: BaseException) -> str:
    """The kind of an error of others' code and the first line of its text."""
    return f"{type(error).__name__}: {first_line(error)}"


_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: BaseException | None) -> bool:
    """Is it a disk that takes no more, or what came of one? Libraries say so in words alone."""
    words = [os.strerror(number) for number in _FULL]
    while error is not None:
        if getattr(error, "errno", None) in _FULL or any(word in str(error) for word in words):
            return True
        error = error.__cause__ or error.__context__
    return False


def suggest(name: str, options: list[str]) -> str:
    """'; did you mean X?' where something is close, else the list of what there is."""
    folded = {option.casefold(): option for option in options}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{folded[close[0]]}'?"
    if 0 < len(options) <= 20:
        return f"; known: {', '.join(options)}"
    return "; `python -m harness --help` lists what there is"
