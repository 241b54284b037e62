"""What a check found: one line each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from harness.errors import kind_and_line


@dataclass(frozen=True)
class Finding:
    """One line of a report. why: null = it works; told: what works, beside its name."""

    name: str
    told: str = ""
    why: str | None = None

    def line(self) -> str:
        """`name: ok (told)` or `name: no: why`."""
        if self.why is not None:
            return f"{self.name}: no: {self.why}"
        return f"{self.name}: ok" + (f" ({self.told})" if self.told else "")


class Wrong(Exception):
    """A check that ran and found what should not be; its text says what."""


def found(checks: Mapping[str, Callable[[], str]]) -> Iterator[Finding]:
    """Run checks in turn: each returns what works, or raises; the next runs nevertheless."""
    for name, check in checks.items():
        try:
            yield Finding(name, check())
        except Wrong as error:
            yield Finding(name, why=str(error))
        except Exception as error:  # whatever a library raises on this machine is the answer
            yield Finding(name, why=kind_and_line(error))
