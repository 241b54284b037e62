"""What stands behind a score: its row in the table, and what its node and the stages before say."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import DAMAGED, DataError
from harness.results.columns import TableRow
from harness.results.misfits import is_text, is_text_or_none
from harness.results.records import RunRecord, read_record, record_path
from harness.results.runs import Run
from harness.results.schema import Scores
from harness.results.tracing.quantities import Part
from harness.store.layout import PREDICTIONS
from harness.store.scores import JUDGE_POINTS
from harness.store.store import Store


@dataclass(frozen=True)
class Node:
    """What the manifest of a finished piece of work tells; null and empty = it does not. data: name
    -> path and sha256 of each file that it read. predictions: their file, where it is there."""

    kind: str
    key: str
    data: Mapping[str, tuple[str, str]]
    versions: Mapping[str, str]
    harness_version: str | None
    machine: str | None
    predictions: Path | None

    @property
    def name(self) -> str:
        """Its folder in a store."""
        return f"{self.kind}/{self.key}"


def row_of(scores: Scores, run: Run, part: Part) -> TableRow | None:
    """The row of the table that a part is read from; null where there is none."""
    found = [
        row
        for row in scores.rows
        if row["run"] == run.name
        and (row["stage"], row["suite"], row["benchmark"])
        == (part.stage, part.suite, part.benchmark)
        and (row["unit"] or part.unit) == part.unit
        and (row["metric"] == part.metric if part.metric else row["headline"])
        and row["subtask"] is None
    ]
    for column, wanted in (("split", run.split), ("protocol", run.protocol)):
        found = [row for row in found if row[column] == wanted] or found  # type: ignore[literal-required]
    return found[0] if found else None


def stages_of(store: Store, run: Run, last: int) -> list[tuple[int, str]]:
    """(stage, content key) of the run's stages up to this one that were trained here."""
    record = _record(store, run.name)
    trained = record.training if record else []
    return [(told["stage"], told["key"]) for told in trained if told["stage"] <= last]


def nodes_of(store: Store, rows: Sequence[TableRow]) -> dict[str, Node]:
    """Content key -> what its node tells, of every row whose node is in the store."""
    found = dict[str, Node]()
    for row in rows:
        key = row["eval_key"]
        if key is None or key in found:
            continue
        kind = "judge" if row["unit"] == JUDGE_POINTS else "eval"
        if node := node_of(store, kind, key):
            found[key] = node
    return found


def node_of(store: Store, kind: str, key: str) -> Node | None:
    """What a node tells; null where it is not there or its manifest cannot be read."""
    with suppress(*DAMAGED):
        return _node(store, kind, key, store.manifest(kind, key))
    return None


def _node(store: Store, kind: str, key: str, told: Mapping[str, Any]) -> Node:
    """Raises TypeError, or what reading it raises, where it is not what was written there."""
    predictions = store.path(kind, key) / PREDICTIONS
    node = Node(
        kind=kind,
        key=key,
        data=dict(_data(told)),
        versions=dict(told.get("versions") or {}),
        harness_version=told.get("harness_version"),
        machine=told.get("machine"),
        predictions=predictions if predictions.is_file() else None,
    )
    texts = [*node.data, *node.versions, *node.versions.values()]
    texts += [text for pair in node.data.values() for text in pair]
    optional = (node.harness_version, node.machine)
    if not (all(map(is_text, texts)) and all(map(is_text_or_none, optional))):
        raise TypeError("a text is none")
    return node


def record_of_run(store: Store, run: str) -> Path | None:
    """Where the record of a run is; null where there is none."""
    path = record_path(store, run)
    return path if path.is_file() else None


def _record(store: Store, run: str) -> RunRecord | None:
    with suppress(DataError):
        return read_record(record_path(store, run))
    return None


def _data(manifest: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """(name, (path, sha256)) of what was scored, or of what was trained on."""
    told = manifest.get("data")
    if told:
        yield manifest["benchmark"]["name"], (told["path"], told["sha256"])
    for part in manifest.get("parts") or ():
        yield part["name"], (part["data"]["path"], part["data"]["sha256"])
