"""What strategies hand on, in files: from stage to stage in the folder of a train node, and within
a stage for one that goes on in its middle."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.methods.view import State
from harness.store.files import write_json
from harness.train.engine import sharded_file
from harness.train.engine.view import View

BETWEEN, RUNNING = "strategy", "running"


class SavedState(sharded_file.SavedState):
    """One strategy's `State` as it was written, read piece by piece; tensors may have no file."""

    def __init__(self, path: Path, values: dict[str, Any]) -> None:
        super().__init__(path if path.exists() else None)
        self.values = values


def write_states(folder: Path, states: Sequence[State], view: View, kind: str = BETWEEN) -> None:
    """Write what each strategy of the stack keeps; all ranks call it together. kind: between two
    stages or within a running one."""
    for index, state in enumerate(states):
        parts = {**state.tensors, **state.sharded}
        if parts:
            sharded_file.save_state(_tensors(folder, kind, index), parts, view)
    if view.first_rank:
        write_json(folder / values_file(kind), [state.values for state in states])


def read_states(folder: Path, kind: str = BETWEEN) -> list[SavedState]:
    """What `write_states` left in `folder`, one for each strategy of the stack."""
    values = json.loads((folder / values_file(kind)).read_text())
    return [SavedState(_tensors(folder, kind, i), own) for i, own in enumerate(values)]


def values_file(kind: str) -> str:
    """Name of the file of what is JSON in it."""
    return "strategies.json" if kind == BETWEEN else f"{kind}.json"


def _tensors(folder: Path, kind: str, index: int) -> Path:
    return folder / f"{kind}_{index}.safetensors"
