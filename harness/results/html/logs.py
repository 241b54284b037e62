"""What the nodes of a run tell of its training: steps, time, memory, configuration."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import DAMAGED
from harness.results.html.curves import Series
from harness.results.records import RunRecord
from harness.store.layout import TRAINING
from harness.store.store import Store

_OF_PLACE = ("store.", "engine.hostfile", "code.")  # where a run lies is not what it is
Flat = dict[str, object]


@dataclass(frozen=True)
class StageLog:
    """A trained stage. seconds: from its beginning to its end; worked: what its ranks trained;
    tokens_per_second: of the latter; peak_memory: the largest of a rank, in bytes."""

    stage: int
    task: str
    steps: int
    tokens: int
    seconds: float | None
    worked: float | None
    peak_memory: int
    loss: Series
    gradient: Series
    notices: tuple[str, ...]

    @property
    def tokens_per_second(self) -> float | None:
        """None where no time is known."""
        return self.tokens / self.worked if self.worked else None


def stage_logs(store: Store, record: RunRecord) -> tuple[list[StageLog], list[str]]:
    """The stages of a run whose logs can be read, and a line for each that cannot."""
    found, lacking = [], []
    for trained in record.training:
        stage, key = trained["stage"], trained["key"]
        try:
            log, manifest = store.read("train", key, TRAINING), store.manifest("train", key)
            found.append(_stage_log(stage, log, manifest))
        except DAMAGED as error:
            why = "is not there" if isinstance(error, FileNotFoundError) else "cannot be read"
            lacking.append(f"run {record.run['run']}: the log of stage {stage} {why}")
    return found, lacking


def configurations(
    store: Store, records: Sequence[RunRecord]
) -> tuple[dict[str, Flat], dict[str, str]]:
    """By run: its configuration, dotted keys -> values, and the node that tells it.

    A manifest holds the configuration of the run that made the node. Work that no other run has
    comes first, the last stage before the rest.
    """
    users: dict[str, int] = {}
    for record in records:
        for key in {key for _, key in _nodes(record)}:
            users[key] = users.get(key, 0) + 1
    flat: dict[str, Flat] = {}
    told: dict[str, str] = {}
    for record in records:
        for kind, key in sorted(_nodes(record), key=lambda node: users[node[1]] > 1):
            try:
                whole = dict(_flattened(store.manifest(kind, key)["config"]))
            except DAMAGED:
                continue
            kept = {k: v for k, v in whole.items() if not k.startswith(_OF_PLACE)}
            flat[record.run["run"]] = kept | (record.run["settings"] or {})
            told[record.run["run"]] = f"{kind}/{key}"
            break
    return flat, told


def differing(flat: Mapping[str, Flat]) -> list[str]:
    """The keys whose values are not the same in all runs."""
    names = sorted({name for some in flat.values() for name in some})
    return [n for n in names if len({repr(some.get(n)) for some in flat.values()}) > 1]


def _nodes(record: RunRecord) -> list[tuple[str, str]]:
    """(kind, key) of a run's stages, the last first, then of its scores, the last first."""
    trained = [("train", stage["key"]) for stage in reversed(record.training)]
    return trained + [(cell.kind, cell.key) for cell in reversed(record.cells)]


def _flattened(value: Any, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flattened(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _stage_log(stage: int, log: Mapping[str, Any], manifest: Mapping[str, Any]) -> StageLog:
    cost = log.get("cost", {})
    steps = log.get("steps", [])
    task = str(log.get("task") or f"stage {stage}")
    hours, ranks = cost.get("device_hours"), manifest.get("ranks") or 1
    started, finished = manifest.get("started"), manifest.get("finished")
    return StageLog(
        stage=stage,
        task=task,
        steps=int(cost.get("optimizer_steps", len(steps))),
        tokens=int(cost.get("trained_tokens", 0)),
        seconds=None if started is None or finished is None else float(finished) - float(started),
        worked=3600 * float(hours) / int(ranks) if hours else None,
        peak_memory=int(cost.get("peak_memory", 0)),
        loss=Series(task, [_finite(step.get("loss")) for step in steps]),
        gradient=Series(task, [_finite(step.get("grad_norm")) for step in steps]),
        notices=tuple(map(str, log.get("notices", []))),
    )


def _finite(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) else math.nan
    return number if math.isfinite(number) else None
