"""What a tracker is given, and what it has to do. The adapters import their packages when they
start, in the thread of their own that they live in (`delivery.py`)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.store.records import Json

PROJECT = "trace-harness"


@dataclass(frozen=True)
class TrackedRun:
    """One run: one job of a sweep. key: of the run, the same when it goes on later. group: its
    experiment. config: dotted keys -> values, without secrets, as no configuration has any.
    folder: where a tracker that keeps files keeps them."""

    key: str
    name: str
    group: str
    config: Json
    folder: Path

    def project(self, variable: str) -> str:
        """The project among others of the tracker, which a variable of its own may name."""
        return os.environ.get(variable) or PROJECT


class Service(Protocol):
    """One service. It may raise what it likes: that ends it, and is told in a line."""

    def start(self, run: TrackedRun) -> None:
        """Begin the run, or go on with it."""

    def log(self, series: str, step: int, values: Mapping[str, float]) -> None:
        """Values of a series at a step of it: `train/<stage>-<task>` counts optimizer steps of the
        stage, `score` counts stages."""

    def close(self) -> None:
        """Nothing follows in this command."""
