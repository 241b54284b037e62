"""The strategies' state between two stages: files in the folder of a train node."""

import json
from collections.abc import Sequence
from pathlib import Path

from harness.methods.base import Strategy
from harness.store.files import write_json
from harness.train.engine.sharded_file import SavedState, save_state
from harness.train.engine.view import View

PLAIN = "strategies.json"


def write_states(folder: Path, strategies: Sequence[Strategy], view: View) -> None:
    """Write what each strategy of the stack hands on; all ranks call it together."""
    plain = []
    for index, strategy in enumerate(strategies):
        tensors, values = strategy.state_dict()
        plain.append(values)
        if tensors:
            save_state(_tensors(folder, index), tensors, view)
    if view.first_rank:
        write_json(folder / PLAIN, plain)


def read_states(folder: Path, strategies: Sequence[Strategy]) -> None:
    """Give each strategy of the stack what it wrote at the end of the stage in `folder`."""
    plain = json.loads((folder / PLAIN).read_text())
    for index, strategy in enumerate(strategies):
        path = _tensors(folder, index)
        strategy.load_state_dict(SavedState(path if path.exists() else None), plain[index])


def _tensors(folder: Path, index: int) -> Path:
    return folder / f"strategy_{index}.safetensors"
