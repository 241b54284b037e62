"""Records of runs: what a store remembers of each, so that tables need no configuration."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from harness.config.plain import plain
from harness.errors import DAMAGED, DataError
from harness.results.misfits import misfits
from harness.store.files import regular_text, write_json
from harness.store.inside import require_names
from harness.store.layout import RUNS
from harness.store.scores import RunColumns, Settings
from harness.store.store import Store
from harness.store.work import Cell, Plan, TrainWork

_ALWAYS = ("run", "method", "sequence", "seed", "schedule", "tasks")  # read without a default


class Trained(TypedDict):
    """A stage of a run and the content key of the node that trained it."""

    stage: int
    key: str


@dataclass(frozen=True)
class RunRecord:
    """A run's columns, its cells and its stages that were trained here."""

    run: RunColumns
    cells: list[Cell]
    training: list[Trained]


def record_of(plan: Plan) -> RunRecord:
    """What is to be remembered of a planned run."""
    training = [Trained(stage=node.stage, key=node.key) for node in plan.of(TrainWork)]
    return RunRecord(plan.run, plan.cells, training)


def record_run(store: Store, plan: Plan) -> None:
    """Remember a planned run."""
    write_record(store, record_of(plan))


def write_record(store: Store, record: RunRecord) -> None:
    """Write a run's record in the place of the one before it."""
    write_json(record_path(store, record.run["run"]), plain(record))


def record_path(store: Store, run: str) -> Path:
    """Where the record of a run is."""
    return store.root / RUNS / f"{run}.json"


def read_record(path: Path) -> RunRecord:
    """One record. Raises DataError naming a file that is none."""
    try:
        content = _parsed(regular_text(path))
        run = content["run"]
        if "settings" not in run:
            run["settings"] = _settings_of_text(run.pop("variant", None) or "")
        for name in _ALWAYS:
            run[name]
        require_names(run["run"])
        cells = [Cell(**cell) for cell in content["cells"]]
        training = [Trained(stage=t["stage"], key=t["key"]) for t in content.get("training", [])]
        for cell in cells:
            require_names(cell.kind, cell.key)
        require_names(*(trained["key"] for trained in training))
        record = RunRecord(run, cells, training)
        for told in misfits(record):
            raise DataError(told)
        return record
    except DAMAGED as error:
        raise DataError(f"{path}: not the record of a run ({error})") from error


def _parsed(text: str) -> Any:
    """JSON, whose texts are such as files can hold: a lone half of a character is none."""
    content = json.loads(text)
    if "\\ud" in text.casefold():
        json.dumps(content, ensure_ascii=False).encode()
    return content


def record_paths(store: Store) -> Iterator[Path]:
    """Where all records are, in the order of their names."""
    yield from sorted((store.root / RUNS).glob("*.json"))


def _settings_of_text(words: str) -> Settings:
    """Settings as version 0.1 wrote them: overrides in one text, whose values may hold spaces."""
    pairs = (word.partition("=") for word in re.split(r"\s+(?=[^\s=,\[\]{}]+=)", words) if word)
    return {name.lstrip("+"): _of_text(value) for name, _, value in pairs}


def _of_text(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value
