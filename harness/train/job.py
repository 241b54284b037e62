"""What a stage of training is asked to do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.config import HarnessConfig
from harness.store.records import Neighbours

Progress = Callable[[int, int], None]


@dataclass
class Part:
    """One task's training file and how often a stage passes over it."""

    task: str
    data: Path
    epochs: int


@dataclass
class TrainJob:
    """What to train: one stage of one run, on one task or on all at once.

    `stage` counts the tasks trained including this one; `earlier` are the tasks before with their
    training files, visit by visit; `parent` is the folder of the stage before (or the initial
    model). `neighbours`: with whom rows are exchanged. `halvings`: how often what a forward pass
    takes is halved, since more did not fit."""

    config: HarnessConfig
    stage: int
    task: str
    parts: list[Part]
    learning_rate: float
    parent: Path | str
    earlier: list[tuple[str, Path]]
    last: bool
    neighbours: Neighbours | None = None
    halvings: int = 0
