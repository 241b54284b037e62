"""`training.jsonl` of a launch: a line for each optimizer step of its first rank, as they happen.

The first rank writes it beside its log, the parent reads it on for who watches. A stage that goes
on in its middle begins with the steps that were done before, so that a file has every step once.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config.plain import typed
from harness.store.records import Json

STEPS = "training.jsonl"


@dataclass(frozen=True)
class Step:
    """One line. key: of the stage's work. step: from 1, of `total`. loss, grad_norm: None where
    they are no finite numbers. tokens_per_second: None for steps of an earlier launch. figures:
    the strategies' own, at some steps, as "<strategy>.<figure>"."""

    key: str
    stage: int
    task: str
    step: int
    total: int
    learning_rate: float
    loss: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float | None = None
    figures: dict[str, float] = field(default_factory=dict)


class StepLog:
    """The file as its rank writes it."""

    def __init__(self, folder: Path) -> None:
        self.path, self._start = folder / STEPS, ""

    def say(self, key: str, steps: Sequence[Mapping[str, Any]]) -> None:
        """Append steps of a piece of work. Raises OSError where they cannot be written; what comes
        after that stands on lines of its own."""
        text = self._start + "".join(_line({"key": key, **step}) for step in steps)
        self._start = "\n"
        with self.path.open("a") as stream:
            stream.write(text)
        self._start = ""


def _line(step: Json) -> str:
    """Strict JSON, which knows no infinity."""
    for name, value in step.items():
        if isinstance(value, float) and not math.isfinite(value):
            step[name] = None
    return json.dumps(step) + "\n"


class StepReader:
    """Reads what a launch has written."""

    def __init__(self, folder: Path) -> None:
        self.path, self._seen = folder / STEPS, 0

    def new(self) -> Iterator[Step]:
        """The steps since the last call; half a line, of a full disk, is passed over."""
        if not self.path.exists():
            return
        with self.path.open("rb") as stream:
            stream.seek(self._seen)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                self._seen += len(line)
                with suppress(ValueError, TypeError, KeyError):
                    yield typed(Step, json.loads(line))
